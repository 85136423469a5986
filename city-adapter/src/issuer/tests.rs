use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use domain::{hotlist::Hotlist, keys::IssuerKeys, result::Verdict, tap::Algorithm};
use proto::issuer_client::IssuerClient;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tonic::{Code, transport::Channel};
use zerocopy::IntoBytes;

use super::*;
use crate::accepted::CityFolder;

const CARD: [u8; 8] = [0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78];

fn city(text: &str) -> City {
    text.parse().unwrap()
}

fn keys(home: &str) -> IssuerKeys {
    let master =
        [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10];
    IssuerKeys::new(city(home), [(1, Algorithm::TripleDes, master), (2, Algorithm::Sm4, master)])
}

fn tap(seq: u32, key_version: u8, algorithm: Algorithm) -> Tap {
    Tap {
        line: (seq + 2).into(),
        position: 0.into(),
        terminal: [0x36, 0x40, 0x01, 0x00, 0x07, 0x48],
        terminal_seq: seq.into(),
        card: CARD,
        card_counter: 1.into(),
        type_byte: 0x06,
        medium: 0,
        sector: 0,
        product: 0,
        amount_fen: 200.into(),
        fare_fen: 200.into(),
        tapped_day: domain::date::Date::parse(b"2024-01-02").unwrap().julian_day().into(),
        tapped_second: 3600.into(),
        key_version,
        algorithm: algorithm.index(),
        tac: [0; 4],
    }
}

fn signed(home: &str, mut tap: Tap) -> Tap {
    tap.tac = keys(home).tac(&tap).unwrap();
    tap
}

/// A service of two cities on a port of this machine, a client of it, and what stops it.
async fn service(grace_hours: Arc<AtomicU32>, state: &Path) -> (IssuerClient<Channel>, oneshot::Sender<()>) {
    let hotlist =
        Hotlist::parse(b"issuer,card,effective_at\ncu-3000,0000000012345678,2024-01-02T00:00:00\n").unwrap();
    let home = |text: &str| HomeCity { keys: keys(text), hotlist: hotlist.of(city(text)) };
    let cities = ["cu-2000", "cu-3000"].map(|text| (city(text), home(text))).into();
    let accepted = AcceptedTaps::open(state).unwrap();
    let service = IssuerService::new(cities, Arc::new(move || grace_hours.load(Ordering::Relaxed)), accepted);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(service.serve(listener, async { drop(stopped.await) }));
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let client = IssuerClient::new(channel).max_decoding_message_size(MESSAGE_LEN_MAX);
    (client.max_encoding_message_size(MESSAGE_LEN_MAX), stop)
}

fn request(id: u64, issuer: &str, parts: &[&[Tap]]) -> JudgeRequest {
    let taps = parts.iter().map(|taps| Bytes::copy_from_slice(taps.as_bytes())).collect();
    JudgeRequest { id, issuer: issuer.to_owned(), taps }
}

/// Sends requests on one stream and gathers the replies until the stream ends.
async fn ask(
    client: &mut IssuerClient<Channel>,
    requests: Vec<JudgeRequest>,
) -> (BTreeMap<u64, Vec<Vec<u8>>>, Option<Status>) {
    let mut replies = client.judge(tokio_stream::iter(requests)).await.unwrap().into_inner();
    let mut got = BTreeMap::new();
    loop {
        match replies.message().await {
            Ok(Some(reply)) => {
                got.insert(reply.id, reply.verdicts.iter().map(|v| v.codes.to_vec()).collect());
            }
            Ok(None) => return (got, None),
            Err(status) => return (got, Some(status)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_tap_gets_its_verdict_in_its_place() {
    let state = TempDir::new().unwrap();
    let (mut client, _stop) = service(Arc::new(AtomicU32::new(0)), state.path()).await;
    let good = signed("cu-2000", tap(1, 1, Algorithm::TripleDes));
    let sm4 = signed("cu-2000", tap(2, 2, Algorithm::Sm4));
    let unknown = Tap { key_version: 9, ..good };
    let forged = Tap { tac: [1, 2, 3, 4], ..good };
    let hot = signed("cu-3000", good);
    let requests = vec![
        request(7, "cu-2000", &[&[good, forged], &[], &[unknown, sm4, good]]),
        request(8, "cu-3000", &[&[hot, good]]),
    ];
    let (got, status) = ask(&mut client, requests).await;
    assert!(status.is_none(), "{status:?}");
    let code = Verdict::code;
    let (accepted, invalid) = (code(Verdict::Accepted), code(Verdict::TacInvalid));
    let want = vec![vec![accepted, invalid], vec![], vec![code(Verdict::UnknownKey), accepted, accepted]];
    assert_eq!(got[&7], want);
    assert_eq!(got[&8], vec![vec![code(Verdict::Hotlisted), invalid]], "another city's key does not fit");
    let content = |tap: Tap| tap.content_bytes().to_vec();
    let kept = accepted_of(state.path(), "cu-2000");
    assert_eq!(kept, [content(good), content(sm4), content(good)], "what it accepted, and nothing else");
    assert_eq!(accepted_of(state.path(), "cu-3000"), [[0_u8; 0]; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_kept_is_not_answered() {
    let state = TempDir::new().unwrap();
    std::fs::write(state.path().join("accepted"), "in the way").unwrap();
    let (mut client, _stop) = service(Arc::new(AtomicU32::new(0)), state.path()).await;
    let good = signed("cu-2000", tap(1, 1, Algorithm::TripleDes));
    let (got, status) = ask(&mut client, vec![request(1, "cu-2000", &[&[good]])]).await;
    let status = status.unwrap();
    assert_eq!((got.len(), status.code()), (0, Code::Unavailable), "{status:?}");
    assert!(status.message().starts_with("keep accepted taps in "), "{status:?}");
}

/// What a city has kept, in order.
fn accepted_of(state: &Path, city_text: &str) -> Vec<Vec<u8>> {
    let mut kept = Vec::new();
    for file in CityFolder::of(state, city(city_text)).kept("2024-01-02-001".parse().unwrap()).unwrap() {
        let read = file.read(|records| {
            kept.extend(records.iter().map(|record| record.to_vec()));
            Ok::<_, std::io::Error>(())
        });
        read.unwrap();
    }
    kept
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grace_is_the_one_in_force_when_asked() {
    let grace = Arc::new(AtomicU32::new(2));
    let state = TempDir::new().unwrap();
    let (mut client, _stop) = service(Arc::clone(&grace), state.path()).await;
    let hot = signed("cu-3000", tap(1, 1, Algorithm::TripleDes));
    let mut verdict = async || {
        let (got, _) = ask(&mut client, vec![request(1, "cu-3000", &[&[hot]])]).await;
        Verdict::from_code(got[&1][0][0])
    };
    assert_eq!(verdict().await, Some(Verdict::Accepted), "tapped within the grace of 2 hours");
    grace.store(1, Ordering::Relaxed);
    assert_eq!(verdict().await, Some(Verdict::Hotlisted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_large_requests_on_one_stream_are_all_answered() {
    let state = TempDir::new().unwrap();
    let (mut client, _stop) = service(Arc::new(AtomicU32::new(0)), state.path()).await;
    let taps: Vec<Tap> = (0..4096).map(|seq| tap(seq, 9, Algorithm::TripleDes)).collect();
    let parts = vec![taps.as_slice(); 16];
    let requests = (0..40).map(|id| request(id, "cu-2000", &parts)).collect();
    let (got, status) = ask(&mut client, requests).await;
    assert!(status.is_none(), "{status:?}");
    assert_eq!(got.len(), 40);
    let one_code = vec![Verdict::UnknownKey.code(); 4096];
    assert!(got.values().all(|parts| parts.len() == 16 && parts.iter().all(|codes| *codes == one_code)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_cannot_be_answered_fails_with_a_reason() {
    let state = TempDir::new().unwrap();
    let (mut client, _stop) = service(Arc::new(AtomicU32::new(0)), state.path()).await;
    let taps = vec![tap(1, 1, Algorithm::TripleDes); 4097];
    let odd = JudgeRequest { id: 5, issuer: "cu-2000".to_owned(), taps: vec![Bytes::from_static(&[0; 53])] };
    let table = [
        (request(5, "cu-9999", &[&taps[..1]]), Code::NotFound, "request 5: cu-9999 is not served here"),
        (request(5, "Shanghai", &[]), Code::InvalidArgument, "request 5: its issuer is no city"),
        (odd, Code::InvalidArgument, "request 5: a part is no multiple of 52 bytes"),
        (
            request(5, "cu-2000", &[taps.as_slice(); 16]),
            Code::InvalidArgument,
            "request 5: it has more than 65536 taps",
        ),
    ];
    for (request, code, message) in table {
        let (got, status) = ask(&mut client, vec![request]).await;
        let status = status.unwrap();
        assert_eq!((got.len(), status.code(), status.message()), (0, code, message));
    }
}
