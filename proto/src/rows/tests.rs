//! The rows on the wire, byte by byte.

use super::*;

/// By the protobuf encoding: a key of number × 8 and 0 for a varint, 2 for a text with its length; sevens of bits, lowest
/// first; signs in the lowest bit. Absent is what is 0.
#[test]
fn rows_stand_on_the_wire_as_log_proto_states_them() {
    let total = Total {
        acquirer: "cu-2000".into(),
        issuer: "tu-2900".into(),
        kind: 3,
        fee_line: 1,
        count: 300,
        amount_fen: 127,
        ..Total::default()
    };
    let bytes = b"\x0a\x07cu-2000\x12\x07tu-2900\x18\x03\x20\x01\x28\xac\x02\x30\x7f";
    check(&total, bytes);
    let position = Position {
        acquirer: "cu-2000".into(),
        count: 1,
        interchange_fen: -1,
        switch_fee_fen: 64,
        ..Position::default()
    };
    check(&position, b"\x0a\x07cu-2000\x20\x01\x30\x01\x38\x80\x01");
    let net = Net {
        participant: "scheme".into(),
        receivable_fen: u64::MAX,
        switch_fee_fen: i64::MIN,
        net_fen: i64::MAX,
        ..Net::default()
    };
    let most = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    let least = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    check(&net, &[b"\x0a\x06scheme\x10", &most[..], b"\x30", most, b"\x40", least].concat());
    let part =
        AccountPosition { account: 2, kind: 2, count: 1, interchange_fen: -1, ..AccountPosition::default() };
    check(&part, b"\x10\x02\x20\x02\x28\x01\x38\x01");
    check(&Total::default(), b"");
}

fn check<R: Message + Default + PartialEq + std::fmt::Debug>(row: &R, bytes: &[u8]) {
    assert_eq!(row.encode_to_vec(), bytes);
    assert_eq!(row.encoded_len(), bytes.len());
    assert_eq!(R::decode(bytes).unwrap(), *row);
    // In two pieces, wherever the cut is.
    for cut in 0..bytes.len() {
        let (head, tail) = bytes.split_at(cut);
        assert_eq!(R::decode(head.chain(tail)).unwrap(), *row);
    }
}

#[test]
fn the_longest_row_has_room() {
    let most = i64::MIN;
    let net = Net {
        participant: "cu-A004".into(),
        receivable_fen: u64::MAX,
        payable_fen: u64::MAX,
        interchange_receivable_fen: most,
        interchange_payable_fen: most,
        switch_fee_fen: most,
        adjustment_fen: most,
        net_fen: most,
    };
    assert_eq!(net.encode_to_vec().len(), 86);
    assert_eq!(Net::decode(&net.encode_to_vec()[..]).unwrap(), net);
}

/// Rows of a later version may have more fields; damaged ones are refused.
#[test]
fn unknown_fields_are_passed_over_and_broken_ones_refused() {
    let total = Total { acquirer: "cu-2000".into(), count: 2, ..Total::default() };
    assert_eq!(Total::decode(&b"\x0a\x07cu-2000\x4a\x02hi\x28\x02"[..]).unwrap(), total);
    for broken in [&b"\x0a\x07cu-200"[..], b"\x0a\x02\xff\xff", b"\x08\x01", b"\x28\x80"] {
        assert!(Total::decode(broken).is_err(), "{broken:?}");
    }
    let error = Total::decode(&b"\x12\x01"[..]).unwrap_err().to_string();
    assert!(error.contains("Total.issuer"), "{error}");
}

#[test]
fn what_is_longer_than_a_name_names_nobody() {
    let total = Total::decode(&b"\x0a\x08cu-20001\x12\x07cu-2000"[..]).unwrap();
    assert_eq!((&*total.acquirer, &*total.issuer), ("?", "cu-2000"));
    assert_eq!(Name::from("cu-20001"), Name::from("?"));
    assert_eq!(Name::from("cu-2000"), Name::from(domain::city::City::parse(b"cu-2000").unwrap()));
    assert_eq!(format!("{} {:?}", Name::from("scheme"), Name::default()), "scheme \"\"");
}
