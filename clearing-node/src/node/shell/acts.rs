//! Whose an act is: the certificates behind it, and the files behind what it says. And items, on their way to the book.

use std::time::SystemTime;

use domain::{
    act::{Role, Signer, Written},
    date::{Date, LocalTime},
    dispute::{DisputeAct, Subject},
};
use proto::{Act, Adjustment};
use signing::{Digests, Person, Trust};

use super::{super::NodeError, APPEND_WAIT, Shell};
use crate::coordinator::Input;

/// The partition that items go to. One for all, so that each counts once.
const ITEMS: u32 = 0;

impl Shell<'_> {
    /// Finds out whose an act is, and what the published files say against it.
    pub(super) fn identify(&self, act: Act) -> Input {
        let by = match &self.around.config.people {
            Some(trust) => whose(trust, &act, today()),
            None => {
                Err("this scheme has no certificates of people: its clearing nodes have no people_ca"
                    .to_owned())
            }
        };
        let stands = if by.is_ok() { self.stands(&act) } else { Ok(()) };
        Input::Identified { act, by, stands }
    }

    /// Whether a record or file that is disputed or refunded stands in the published files as the act has it. What the
    /// act means is ruled by the core; here only the files are asked.
    fn stands(&self, act: &Act) -> Result<(), String> {
        let Ok(Written { act: domain::act::Act::Dispute { dispute }, .. }) =
            serde_json::from_slice(&act.text)
        else {
            return Ok(());
        };
        let subject = match dispute {
            DisputeAct::Open { subject, .. } => subject,
            DisputeAct::Refund { record, .. } => Subject::Record(record),
            DisputeAct::Answer { .. } | DisputeAct::Withdraw { .. } => return Ok(()),
        };
        let out = &self.around.config.out_dir;
        let beside = self.core.releases().disputes().beside(&subject);
        let others = beside.map(|dispute| (dispute.id.as_str(), &dispute.subject));
        let found = files::lookup::check(out, &subject)
            .and_then(|()| files::lookup::check_claims(out, &subject, others));
        found.map_err(|why| format!("it failed to {}", runtime::whole_text(&why)))
    }

    /// Hands an item to the book.
    pub(super) fn adjust(&mut self, item: Adjustment) -> Result<(), NodeError> {
        let body = proto::clearing::Body::Adjustment(item);
        let message = proto::Message::encode_to_vec(&proto::Clearing { body: Some(body) }).into();
        let partition = self.around.topics.clearing(ITEMS);
        cu_log::append_and_wait(self.writer.as_mut(), &partition, message, APPEND_WAIT)?;
        Ok(())
    }
}

fn whose(trust: &Trust, act: &Act, today: Date) -> Result<Signer, String> {
    let person = trust.check_person(&Digests::of(&act.text), &act.signature, today);
    person.map_err(|why| why.to_string()).and_then(signer)
}

/// What a certificate makes of somebody.
fn signer(person: Person) -> Result<Signer, String> {
    let Person { name, unit } = person;
    let role = match unit.as_str() {
        "operators" => Role::Operations,
        "banks" => Role::Bank,
        "participants" => Role::City(
            name.parse().map_err(|_| format!("the certificate of participant `{name}` names no city"))?,
        ),
        _ => {
            return Err(format!(
                "`{unit}` in the certificate of {name} is none of operators, banks, participants"
            ));
        }
    };
    Ok(Signer { name, role })
}

/// The date in UTC+8.
fn today() -> Date {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    LocalTime::of_unix(i64::try_from(now).unwrap_or(i64::MAX)).date
}
