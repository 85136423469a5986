//! Acts from the command line: what people and participants decide after a close, signed by their own keys.

mod known;

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    path::PathBuf,
    time::SystemTime,
};

use anyhow::{Context, Result};
use domain::act::{Act, Written};
use proto::{CycleEvent, Message as _, RuledAct, cycle_event::Body};
use signing::{Digests, Signer};

use crate::{
    book::place::{Place, PlaceArgs},
    errors::Refused,
    output::Format,
    services::cycles::detail::in_china,
};

pub use known::known;

/// Why nothing became of an act of which nothing more is known.
const PASSED_OVER: &str = "it was passed over: nobody known to the scheme signed it, or cu.acts lost it before it was answered; \
                           look what has been done, and say it again";

/// Where the cycles are, and who acts.
#[derive(clap::Args, Debug)]
pub struct ActArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Certificate of whoever acts (PEM)
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// Its private key (PKCS#8, PEM, readable by nobody else) [default: beside the certificate, as NAME.key]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// What became of an act.
#[derive(Clone, Debug)]
pub struct Done {
    /// Its id.
    pub id: String,
    /// Who did it, as the clearing node knows him.
    pub by: String,
}

impl ActArgs {
    /// The pair of whoever acts.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn signer(&self) -> Result<Signer> {
        let key = self.key.clone().unwrap_or_else(|| self.certificate.with_extension("key"));
        Signer::read(&self.certificate, &key).context("failed to sign")
    }
}

/// An act of a process that decides by rule: the same one whenever and however often it runs, so it bears no time. `log` is
/// the log that it is for.
#[must_use]
pub fn by_rule(id: String, log: String, act: Act) -> Written {
    Written { id, at: String::new(), log, act }
}

/// Signs an act, puts it where acts are asked for, and waits for the word of the clearing node on it.
///
/// # Errors
/// [`Refused`] with the reason; or if nobody rules it.
pub fn perform(place: &Place, signer: &Signer, act: Act) -> Result<Done> {
    let log = known(place)?.log().to_owned();
    let written = Written { id: new_id(), at: in_china(SystemTime::now()), log, act };
    let text = serde_json::to_vec(&written).context("failed to write the act down")?;
    let signature = signer.sign(&Digests::of(&text)).context("failed to sign")?;
    let asked = proto::Act { text: text.into(), signature: signature.into() };
    // The word on it stands behind everything that stands there now.
    let from = place.log.bounds(&place.topics.cycles())?.end;
    let stands = place.append(&place.topics.acts(), asked.encode_to_vec())?;
    let word = place.hear_event(from, "what becomes of it", |event| word_on(event, &asked, stands))?;
    let by = word.map_err(Refused)?;
    Ok(Done { id: written.id, by })
}

/// What an event says of an act that stands at an offset of `cu.acts`: who did it, or why it is refused. One that is passed
/// over has no word of its own.
fn word_on(event: CycleEvent, asked: &proto::Act, stands: u64) -> Option<Result<String, String>> {
    let (next, why) = match event.body? {
        Body::Ruled(ruled) if ruled.text == asked.text && ruled.signature == asked.signature => {
            let RuledAct { by, refused, .. } = ruled;
            return Some(if refused.is_empty() { Ok(by) } else { Err(refused) });
        }
        Body::Ruled(ruled) => (ruled.place?.saturating_add(1), String::new()),
        Body::ActsRead(read) => (read.next, read.refused),
        _ => return None,
    };
    if next <= stands {
        return None;
    }
    let is_of_it = next == stands.saturating_add(1) && !why.is_empty();
    Some(Err(if is_of_it { why } else { PASSED_OVER.to_owned() }))
}

/// Sixteen hex digits that nobody has drawn before.
fn new_id() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_hears_what_becomes_of_his_act() {
        let asked = proto::Act { text: "mine".into(), signature: "s".into() };
        let heard = |body| word_on(CycleEvent { body: Some(body) }, &asked, 7);
        let ruled = |text: &'static str, refused: &str, place| {
            let (by, refused) = ("li".to_owned(), refused.to_owned());
            let (text, signature) = (text.into(), "s".into());
            heard(Body::Ruled(RuledAct { text, signature, by, refused, place, ..RuledAct::default() }))
        };
        assert_eq!(ruled("mine", "", Some(7)), Some(Ok("li".to_owned())));
        assert_eq!(ruled("mine", "no", Some(7)), Some(Err("no".to_owned())));
        let read = |next, why: &str| heard(Body::ActsRead(proto::ActsRead { next, refused: why.to_owned() }));
        for nothing in [ruled("other", "", None), ruled("other", "", Some(6)), read(7, "another's")] {
            assert_eq!(nothing, None);
        }
        assert_eq!(read(8, "a stranger"), Some(Err("a stranger".to_owned())));
        let passed_over: Option<Result<String, String>> = Some(Err(PASSED_OVER.to_owned()));
        assert_eq!(
            [read(8, ""), read(9, "another's"), ruled("other", "", Some(8))],
            [passed_over.clone(), passed_over.clone(), passed_over]
        );
    }
}
