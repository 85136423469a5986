//! What is asked for on `cu.acts`: which messages there are acts, which is next, and how far the topic is answered.
//!
//! Whoever may write there may put anything there, so nothing is taken for more than a question: what is no act is passed
//! over, and so is what nobody known to the scheme signed: whoever asked for it hears so from a word on the position. How
//! far the topic is answered stands on `cu.cycles`: each word on an act says where the act stands. What is read again from
//! an earlier place changes nothing, since what was ruled is known by its text. One act more than once is passed over too.

use std::{collections::VecDeque, ops::Range};

use proto::{Act, ActsRead, Bytes, CycleEvent, Message as _, RuledAct, cycle_event::Body, digest};

use super::Effect;

/// The largest act, bytes. What a bank answers is the largest: a line for each participant.
pub(super) const TEXT_LEN_MAX: usize = 256 << 10;
/// The largest signature, bytes.
const SIGNATURE_LEN_MAX: usize = 64 << 10;
/// What may be passed over before `cu.cycles` says so, bytes: as much as the next coordinator may have to read again.
const PASSED_MAX: usize = 1 << 20;
/// What a message counts for beside its bytes.
const PASSED_EACH: usize = 1 << 10;
/// The longest that is said of an act which nobody known signed, bytes: whoever wrote it may have a name of any length.
const WHY_LEN_MAX: usize = 300;

/// By what a word on an act is known: the digest of its text, and whether it was asked for with a signature. What is
/// decided within the process of the coordinator has none, and nobody on `cu.acts` can take the first word on it.
pub(super) type Word = ([u8; 32], bool);

pub(super) fn word(text: &[u8], signature: &[u8]) -> Word {
    (digest::bytes(text), !signature.is_empty())
}

/// How far `cu.acts` is answered, as `cu.cycles` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActsPosition {
    /// The offset to go on from.
    pub next: u64,
    /// The act before it that was ruled last: its offset, and the digest of its text.
    pub last: Option<(u64, [u8; 32])>,
}

impl ActsPosition {
    /// Where to go on in a topic that has these offsets, and what is the matter if that is not where the last reader
    /// stopped. `there` is the digest of the text at the offset of [`ActsPosition::last`], if that is still kept.
    #[must_use]
    pub fn go_on(&self, have: &Range<u64>, there: Option<[u8; 32]>) -> (u64, Option<String>) {
        let Range { start, end } = *have;
        let another = self.last.zip(there).is_some_and(|((_, said), there)| said != there);
        let again = "whoever asked for something there and got no answer asks again";
        if another || self.next > end {
            let why = format!(
                "cu.acts is another topic than the one that was answered up to offset {}: it was made anew, or lost its \
                 end; it is read from offset {start}, and {again}",
                self.next
            );
            return (start, Some(why));
        }
        if self.next < start {
            let why = format!(
                "cu.acts begins at offset {start} and was answered up to {}: what stood between is gone unread, and {again}; \
                 keep the topic without end",
                self.next
            );
            return (start, Some(why));
        }
        (self.next, None)
    }
}

/// Acts that wait, and how far the topic is read.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) position: ActsPosition,
    /// Not ruled yet, each with its offset, in the order of the topic.
    waiting: VecDeque<(u64, Act)>,
    /// The offset after the last message that was read.
    read_to: u64,
    /// What was passed over since the last word on the position, bytes.
    passed: usize,
    /// The last act since then that nobody known signed: its offset, and why not.
    strange: Option<(u64, String)>,
    /// Whether a person was told of what is no act.
    told: bool,
}

impl Asked {
    /// What this life has read is read again in the next one.
    pub(super) fn stand_by(&mut self) {
        *self = Self { position: self.position, ..Self::default() };
    }

    /// The log was brought back from an archive: `cu.acts` is a new topic.
    pub(super) fn restored(&mut self) {
        *self = Self::default();
    }

    /// Takes the next messages of the topic, each with its offset.
    pub(super) fn take(
        &mut self,
        messages: Vec<(u64, Bytes)>,
        is_ruled: impl Fn(&Word) -> bool,
        effects: &mut Vec<Effect>,
    ) {
        for (place, payload) in messages {
            self.read_to = place.saturating_add(1);
            let size = payload.len().saturating_add(PASSED_EACH);
            match act(payload) {
                Ok(act) if !is_ruled(&word(&act.text, &act.signature)) => {
                    self.waiting.push_back((place, act));
                    continue;
                }
                Ok(_) => {}
                Err(why) => self.alarm(place, &why, effects),
            }
            self.passed = self.passed.saturating_add(size);
        }
    }

    /// Passes over the next act: nobody known signed it. Its text may wait again behind it, with a signature that counts.
    pub(super) fn pass_over(&mut self, act: &Act, why: &str, effects: &mut Vec<Effect>) {
        let Some((place, _)) = self.waiting.pop_front_if(|(_, first)| *first == *act) else { return };
        let size = act.text.len().saturating_add(act.signature.len()).saturating_add(PASSED_EACH);
        self.passed = self.passed.saturating_add(size);
        let mut why = format!("nobody known to the scheme signed it: {why}");
        why.truncate(why.floor_char_boundary(WHY_LEN_MAX));
        self.alarm(place, &why, effects);
        self.strange = Some((place, why));
    }

    /// Tells a person once that something is passed over.
    fn alarm(&mut self, place: u64, why: &str, effects: &mut Vec<Effect>) {
        if !std::mem::replace(&mut self.told, true) {
            effects.push(Effect::Alarm(format!(
                "the message at offset {place} of cu.acts is passed over, and every one like it: {why}; see who may write to \
                 cu.acts"
            )));
        }
    }

    /// The topic is read on from another place than the position.
    pub(super) fn gone(&mut self, next: u64, why: String, effects: &mut Vec<Effect>) {
        self.waiting.clear();
        effects.push(Effect::Alarm(why));
        effects.push(read_to(next, String::new()));
    }

    /// Says how far the topic is read, where nothing waits and much was passed over, or something that somebody signed:
    /// he waits for it.
    pub(super) fn tell(&mut self, effects: &mut Vec<Effect>) {
        let due = self.strange.is_some() || self.passed >= PASSED_MAX;
        if self.waiting.is_empty() && due {
            self.passed = 0;
            let last = self.strange.take().filter(|(place, _)| place.saturating_add(1) == self.read_to);
            effects.push(read_to(self.read_to, last.map(|(_, why)| why).unwrap_or_default()));
        }
    }

    /// The next act.
    pub(super) fn front(&self) -> Option<&Act> {
        self.waiting.front().map(|(_, act)| act)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Where an act stands that waits.
    pub(super) fn place(&self, of: &Word) -> Option<u64> {
        let is = |(_, act): &&(u64, Act)| word(&act.text, &act.signature) == *of;
        self.waiting.iter().find(is).map(|(place, _)| *place)
    }

    /// An act was ruled.
    pub(super) fn ruled(&mut self, ruled: &RuledAct, of: &Word) {
        self.waiting.retain(|(_, act)| word(&act.text, &act.signature) != *of);
        if let Some(place) = ruled.place {
            self.position = ActsPosition { next: place.saturating_add(1), last: Some((place, of.0)) };
            self.passed = 0;
            self.strange = self.strange.take().filter(|(behind, _)| *behind > place);
        }
    }

    /// The word of a coordinator on how far the topic is read.
    pub(super) fn fold_read(&mut self, read: &ActsRead) {
        let next = read.next;
        let last = self.position.last.filter(|(place, _)| *place < next);
        self.position = ActsPosition { next, last };
    }
}

fn read_to(next: u64, refused: String) -> Effect {
    Effect::Say(CycleEvent { body: Some(Body::ActsRead(ActsRead { next, refused })) })
}

/// The act that a message is, or why it is none. What is too large could not be answered.
fn act(payload: Bytes) -> Result<Act, String> {
    let act = Act::decode(payload).map_err(|error| format!("it is no act: {error}"))?;
    let (text, signature) = (act.text.len(), act.signature.len());
    if text == 0 || signature == 0 {
        return Err("it is no act with a signature".to_owned());
    }
    if text > TEXT_LEN_MAX || signature > SIGNATURE_LEN_MAX {
        return Err(format!(
            "an act has at most {TEXT_LEN_MAX} bytes and its signature {SIGNATURE_LEN_MAX}, this has {text} and {signature}"
        ));
    }
    Ok(act)
}
