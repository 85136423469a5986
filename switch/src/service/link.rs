//! The connection to one home city: one stream of requests, reopened when something is asked.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use crossbeam_channel::Sender;
use domain::city::City;
use proto::{JudgeReply, JudgeRequest, issuer_client::IssuerClient};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status, Streaming, transport::Channel};

use super::Event;
use crate::core::{Input, NoAnswer};

/// The largest message to or from a home city.
const MESSAGE_BYTES_MAX: usize = 8 << 20;

/// A request on its way to a home city. The core bounds how many there are.
pub(super) struct Ask {
    pub(super) id: u64,
    pub(super) parts: Vec<Bytes>,
}

/// Serves one home city until no more requests can come.
pub(super) async fn serve(
    issuer: City,
    channel: Channel,
    mut asks: mpsc::UnboundedReceiver<Ask>,
    events: Sender<Event>,
    open_max: Duration,
) {
    let client = IssuerClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let mut link = Link { issuer, events, in_flight: BTreeSet::new() };
    while let Some(first) = asks.recv().await {
        let reason = link.stream(client.clone(), first, &mut asks, open_max).await;
        link.give_up(&reason);
    }
}

struct Link {
    issuer: City,
    events: Sender<Event>,
    in_flight: BTreeSet<u64>,
}

impl Link {
    /// Runs one stream until it ends; returns why it did.
    async fn stream(
        &mut self,
        mut client: IssuerClient<Channel>,
        first: Ask,
        asks: &mut mpsc::UnboundedReceiver<Ask>,
        open_max: Duration,
    ) -> NoAnswer {
        let (requests, outgoing) = mpsc::unbounded_channel();
        self.send(first, &requests);
        let opened =
            tokio::time::timeout(open_max, client.judge(UnboundedReceiverStream::new(outgoing))).await;
        let mut replies: Streaming<JudgeReply> = match opened {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => return reason(&status),
            Err(_) => return NoAnswer::Unreachable(format!("no stream within {open_max:?}")),
        };
        loop {
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => self.send(ask, &requests),
                    None => return NoAnswer::Unreachable("the endpoint changed".to_owned()),
                },
                reply = replies.message() => match reply {
                    Ok(Some(reply)) => {
                        self.in_flight.remove(&reply.id);
                        self.tell(reply.id, Ok(reply.verdicts));
                    }
                    Ok(None) => return NoAnswer::Unreachable("the home city ended the stream".to_owned()),
                    Err(status) => return reason(&status),
                },
            }
        }
    }

    fn send(&mut self, ask: Ask, requests: &mpsc::UnboundedSender<JudgeRequest>) {
        self.in_flight.insert(ask.id);
        // If the stream has ended, its reply side says so next, and this request is given up with it.
        drop(requests.send(JudgeRequest { id: ask.id, issuer: self.issuer.to_string(), taps: ask.parts }));
    }

    /// Nothing in flight will be answered.
    fn give_up(&mut self, reason: &NoAnswer) {
        for id in std::mem::take(&mut self.in_flight) {
            self.tell(id, Err(reason.clone()));
        }
    }

    fn tell(&self, id: u64, answer: Result<Vec<proto::Verdicts>, NoAnswer>) {
        // Nobody listens any more once the switch has ended.
        drop(self.events.send(Event::Input(Input::Answer { issuer: self.issuer, id, answer })));
    }
}

/// Whether a failed stream speaks of the request or of the home city.
fn reason(status: &Status) -> NoAnswer {
    let text = format!("{}: {}", status.code(), status.message());
    match status.code() {
        Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition => NoAnswer::Refused(text),
        _ => NoAnswer::Unreachable(text),
    }
}
