//! Acts from the command line: what people and participants decide after a close, signed by their own keys.

mod known;

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    path::PathBuf,
    time::SystemTime,
};

use anyhow::{Context, Result};
use domain::act::{Act, Written};
use proto::{Message as _, RuledAct, cycle_event::Body};
use signing::{Digests, Signer};

use crate::{
    book::place::{Place, PlaceArgs},
    errors::Refused,
    output::Format,
    services::cycles::detail::in_china,
};

pub use known::known;

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
    let asked = proto::Act { text: text.clone().into(), signature: signature.clone().into() };
    // The word on it stands behind everything that stands there now.
    let from = place.log.bounds(&place.topics.cycles())?.end;
    place.append(&place.topics.acts(), asked.encode_to_vec())?;
    let ruled = place.hear_event(from, "what becomes of it", |event| match event.body {
        Some(Body::Ruled(ruled)) if ruled.text == text && ruled.signature == signature => Some(ruled),
        _ => None,
    })?;
    let RuledAct { by, refused, .. } = ruled;
    if refused.is_empty() { Ok(Done { id: written.id, by }) } else { Err(Refused(refused).into()) }
}

/// Sixteen hex digits that nobody has drawn before.
fn new_id() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
