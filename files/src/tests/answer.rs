//! A bank's answer, made from what it was told, read back, and damaged in every way.

use std::sync::LazyLock;

use domain::settlement::{
    Payments,
    confirmation::{AnswerLine, Difference, PaymentStatus, Way, confirm},
};

use super::{golden::expected_messages, items, settlement};
use crate::answer::{self, ANSWER_BYTES_MAX, example};

const PAIN: &str = "settlement/pain.001.001.09.xml";

/// What the bank was told to pay in the cycle of the picture.
fn told() -> Vec<AnswerLine> {
    example::instructed(PAIN, expected_messages()[PAIN]).unwrap()
}

/// The bank's answer in each form.
fn forms(lines: &[AnswerLine]) -> [(&'static str, String); 3] {
    [
        ("answer.csv", example::csv(lines)),
        ("pacs.002.xml", example::pacs002(lines)),
        ("camt.054.xml", example::camt054("622000", lines)),
    ]
}

fn differences(lines: &[AnswerLine]) -> Vec<Difference> {
    static PAYMENTS: LazyLock<Payments> = LazyLock::new(|| {
        let settlement = settlement();
        Payments::of(&settlement.net, &settlement.positions, &items()).unwrap()
    });
    confirm(&PAYMENTS, "2018-09-01-001".parse().unwrap(), 1, lines).err().unwrap_or_default()
}

fn refused(file: &str, text: &str) -> String {
    answer::parse(file, text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn what_the_bank_was_told_comes_back_in_every_form_and_confirms() {
    let told = told();
    assert_eq!(told.len(), 3);
    for (file, text) in forms(&told) {
        let read = answer::parse(file, text.as_bytes()).unwrap();
        let ways = read.iter().all(|line| line.way.is_some());
        assert_eq!(ways, file == "camt.054.xml", "{file}");
        let without = |lines: &[AnswerLine]| {
            lines.iter().map(|line| AnswerLine { way: None, ..line.clone() }).collect::<Vec<_>>()
        };
        assert_eq!(without(&read), without(&told), "{file}");
        assert_eq!(differences(&read), [], "{file}");
    }
}

/// Each kind of damage is named, whatever the form.
#[test]
fn every_damage_is_named() {
    type Damage = fn(&mut Vec<AnswerLine>);
    let damages: [(&str, Damage); 7] = [
        ("wrong_amount", |lines| lines[0].amount_fen -= 1),
        ("missing", |lines| drop(lines.remove(1))),
        ("repeated", |lines| lines.push(lines[2].clone())),
        ("unknown", |lines| {
            lines.push(AnswerLine { reference: "INV-7, \"<&>\"".to_owned(), ..lines[0].clone() })
        }),
        ("unknown", |lines| {
            let reference = "2018-09-01-001-cu-9999".to_owned();
            lines.push(AnswerLine { reference, ..lines[0].clone() });
        }),
        ("other_cycle", |lines| {
            let reference = lines[0].reference.replace("-001-", "-002-");
            lines.push(AnswerLine { reference, ..lines[0].clone() });
        }),
        ("rejected", |lines| lines[2].status = PaymentStatus::Rejected { reason: "AM04".to_owned() }),
    ];
    for (word, damage) in damages {
        let mut lines = told();
        damage(&mut lines);
        for (file, text) in forms(&lines) {
            let found = differences(&answer::parse(file, text.as_bytes()).unwrap());
            assert_eq!(found.iter().map(Difference::word).collect::<Vec<_>>(), [word], "{file}");
            if word == "rejected" {
                assert!(found[0].to_string().ends_with("AM04"), "{file}: {}", found[0]);
            }
        }
    }
}

/// Money that came back from a city's bank looks like a payment but for its way.
#[test]
fn a_payment_that_came_back_is_no_payment() {
    let mut lines = told();
    let paid_out = lines.iter_mut().find(|line| line.way == Some(Way::Out)).unwrap();
    paid_out.way = Some(Way::In);
    let text = example::camt054("622000", &lines);
    let found = differences(&answer::parse("camt.054.xml", text.as_bytes()).unwrap());
    assert_eq!(found.iter().map(Difference::word).collect::<Vec<_>>(), ["wrong_way"]);
}

#[test]
fn csv_is_read_as_people_write_it() {
    let line = "2018-09-01-001-cu-3000,997199,paid,";
    for text in [
        format!("reference,amount_fen,status,reason\n{line}\n"),
        format!("\u{FEFF}reference,amount_fen,status,reason\r\n\r\n{line}\r\n"),
        format!("reference,amount_fen,status,reason,bank\n{line},ICBC"),
    ] {
        let read = answer::parse("a.csv", text.as_bytes()).unwrap();
        assert_eq!(
            read,
            [AnswerLine {
                reference: "2018-09-01-001-cu-3000".to_owned(),
                amount_fen: 997_199,
                status: PaymentStatus::Paid,
                way: None,
            }]
        );
    }
    assert_eq!(answer::parse("a.csv", b"reference,amount_fen,status,reason\n").unwrap(), []);
}

#[test]
fn what_is_wrong_in_a_csv_has_its_line_and_column() {
    for (row, says) in [
        ("a,9971.99,paid,", "a.csv:2: amount_fen: `9971.99` is no whole number of fen"),
        ("a,-5,paid,", "amount_fen: `-5`"),
        ("a,05,paid,", "amount_fen: `05`"),
        ("a,18446744073709551616,paid,", "amount_fen"),
        ("a,,paid,", "amount_fen: ``"),
        (",5,paid,", "a.csv:2: reference: it is empty"),
        ("a,5,Paid,", "a.csv:2: status: `Paid` is neither paid nor rejected"),
        ("a,5,,", "status: ``"),
        ("a,5,paid,AM04", "a.csv:2: reason: what is paid has no reason, here is `AM04`"),
        ("a,5,paid", "a.csv:2: it has 3 columns instead of 4"),
        ("\"a,5,paid,", "a.csv:2: a quote is not closed"),
        ("b,5,paid,\nc,x,paid,", "a.csv:3: amount_fen"),
    ] {
        let why = refused("a.csv", &format!("reference,amount_fen,status,reason\n{row}\n"));
        assert!(why.starts_with("read the bank's answer a.csv:") && why.contains(says), "{why}");
    }
    for header in
        ["", "reference;amount_fen;status;reason", "amount_fen,reference,status,reason", "PK\u{3}\u{4}"]
    {
        let why = refused("a.csv", header);
        assert!(why.contains("a.csv:1: the header is not reference,amount_fen,status,reason"), "{why}");
    }
    let why = answer::parse("a.csv", b"reference,amount_fen,status,reason\n\xD6\xD0,5,paid,\n").unwrap_err();
    assert!(why.to_string().contains("a.csv:2: it is not UTF-8"), "{why}");
}

/// A message with one piece of it replaced.
fn altered(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in {text}");
    text.replacen(from, to, 1)
}

#[test]
fn what_is_wrong_in_a_status_report_has_its_element() {
    let text = example::pacs002(&told());
    let at = "Document/FIToFIPmtStsRpt/TxInfAndSts";
    for (from, to, says) in [
        ("Ccy=\"CNY\"", "Ccy=\"USD\"", "OrgnlTxRef/IntrBkSttlmAmt: its currency is `USD`, not CNY"),
        (" Ccy=\"CNY\"", "", "IntrBkSttlmAmt: it has no currency"),
        (">9971.99<", ">9.971,99<", "IntrBkSttlmAmt: `9.971,99` is no amount"),
        (">9971.99<", ">9971.995<", "`9971.995` is no amount"),
        (">9971.99<", ">-9971.99<", "`-9971.99` is no amount"),
        (">9971.99<", "><", "IntrBkSttlmAmt: it must have a text"),
        (
            "<OrgnlTxRef><IntrBkSttlmAmt Ccy=\"CNY\">9971.99</IntrBkSttlmAmt></OrgnlTxRef>",
            "",
            "OrgnlTxRef is missing",
        ),
        (
            "<OrgnlEndToEndId>2018-09-01-001-cu-3000</OrgnlEndToEndId>",
            "",
            "neither OrgnlEndToEndId nor OrgnlInstrId",
        ),
        (
            "<OrgnlEndToEndId>2018-09-01-001-cu-3000",
            "<OrgnlEndToEndId>NOTPROVIDED",
            "neither OrgnlEndToEndId",
        ),
        ("<TxSts>ACSC</TxSts>", "", "TxSts is missing"),
        ("<TxSts>ACSC</TxSts>", "<TxSts>ACSC</TxSts><TxSts>RJCT</TxSts>", "TxSts: it is there a second time"),
        ("ACSC", "PDNG", "TxInfAndSts/TxSts: `PDNG` is no end"),
        ("ACSC", "ACSP", "`ACSP` is no end"),
    ] {
        let why = refused("a.xml", &altered(&text, from, to));
        assert!(why.contains(says) && why.contains(at), "{why}");
    }
    let why = refused("a.xml", &altered(&text, "ACSC", "PDNG"));
    assert!(why.starts_with("read the bank's answer a.xml:10: Document/"), "{why}");
    let none = "<Document><FIToFIPmtStsRpt><OrgnlGrpInfAndSts><GrpSts>ACSC</GrpSts></OrgnlGrpInfAndSts>\
                </FIToFIPmtStsRpt></Document>";
    assert!(refused("a.xml", none).contains("it has no TxInfAndSts"), "{}", refused("a.xml", none));
}

#[test]
fn what_is_wrong_in_a_notification_has_its_element() {
    let text = example::camt054("622000", &told());
    for (from, to, says) in [
        ("<Sts><Cd>BOOK</Cd></Sts>", "<Sts><Cd>PDNG</Cd></Sts>", "Ntry/Sts/Cd: `PDNG` is not BOOK"),
        ("<Sts><Cd>BOOK</Cd></Sts>", "", "Ntry: Sts is missing"),
        ("<Amt Ccy=\"CNY\">9971.99</Amt>", "", "Ntry: Amt is missing"),
        (
            "<Amt Ccy=\"CNY\">9971.99</Amt>",
            "<Amt Ccy=\"CNY\">9971.98</Amt>",
            "its amount is 997198 fen, its transactions have 997199",
        ),
        ("<EndToEndId>2018-09-01-001-cu-3000</EndToEndId>", "", "neither EndToEndId nor InstrId"),
        (
            "<CdtDbtInd>CRDT</CdtDbtInd></TxDtls>",
            "<CdtDbtInd>C</CdtDbtInd></TxDtls>",
            "TxDtls/CdtDbtInd: `C` is neither",
        ),
        ("<RvslInd>false", "<RvslInd>no", "RvslInd: `no` is neither true nor false"),
        ("Ntfctn>", "Ntf>", "is no XML"),
    ] {
        let why = refused("a.xml", &altered(&text, from, to));
        assert!(why.contains(says), "{why}");
    }
    let bare = "<Document><BkToCstmrDbtCdtNtfctn/></Document>";
    assert!(refused("a.xml", bare).contains("Ntfctn is missing"));
}

/// Prefixes, other versions and name spaces, envelopes, comments, and where other versions keep things.
#[test]
fn what_does_not_matter_is_taken_as_it_is() {
    let told = told();
    let [_, (_, pacs), (_, camt)] = forms(&told);
    let one = &told[0];
    let (reference, amount) = (&one.reference, crate::settlement::yuan::yuan(one.amount_fen));
    let plain = |text: &str| text.replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", "");
    let same = [
        pacs.replace("pacs.002.001.10", "pacs.002.001.03"),
        pacs.replace(
            "urn:iso:std:iso:20022:tech:xsd:pacs.002.001.10",
            "urn:cnaps:std:beps:2010:tech:xsd:beps.1",
        ),
        format!("<!-- hello --><Envelope><Head><Id>1</Id></Head>{}</Envelope>", plain(&pacs)),
        pacs.replace("<", "<p:").replace("<p:/", "</p:").replace("<p:?", "<?").replace("xmlns=", "xmlns:p="),
        camt.replace("<Sts><Cd>BOOK</Cd></Sts>", "<Sts>BOOK</Sts>")
            .replace("camt.054.001.08", "camt.054.001.02"),
        camt.replace("<RvslInd>false</RvslInd>", ""),
        camt.replace("-cu-", "-&#99;u-")
            .replace("9971.99", "<![CDATA[9971.99]]>")
            .replace("1002.50", " 1002.5 "),
    ];
    for text in &same {
        let read = answer::parse("a.xml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(differences(&read), [], "{text}");
    }
    let alone = [
        format!(
            "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.002.001.10\"><CstmrPmtStsRpt><OrgnlPmtInfAndSts>\
             <TxInfAndSts><OrgnlInstrId>{reference}</OrgnlInstrId><OrgnlEndToEndId>NOTPROVIDED</OrgnlEndToEndId>\
             <TxSts>ACCC</TxSts><OrgnlTxRef><Amt><InstdAmt Ccy=\"CNY\">{amount}</InstdAmt></Amt></OrgnlTxRef>\
             </TxInfAndSts></OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
        ),
        format!(
            "<Document><BkToCstmrDbtCdtNtfctn><Ntfctn><Ntry><Amt Ccy=\"CNY\">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd>\
             <Sts>BOOK</Sts><NtryDtls><TxDtls><Refs><EndToEndId>{reference}</EndToEndId></Refs></TxDtls></NtryDtls>\
             </Ntry></Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
        ),
        format!(
            "<Document><BkToCstmrDbtCdtNtfctn><Ntfctn><Ntry><Amt Ccy=\"CNY\">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd>\
             <Sts>BOOK</Sts><NtryDtls><TxDtls><Refs><InstrId>{reference}</InstrId></Refs><AmtDtls><TxAmt>\
             <Amt Ccy=\"CNY\">{amount}</Amt></TxAmt></AmtDtls></TxDtls></NtryDtls></Ntry></Ntfctn>\
             </BkToCstmrDbtCdtNtfctn></Document>"
        ),
    ];
    for text in &alone {
        let read = answer::parse("a.xml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let [line] = read.as_slice() else { panic!("{read:?}") };
        let expected = (reference, one.amount_fen, &PaymentStatus::Paid);
        assert_eq!((&line.reference, line.amount_fen, &line.status), expected, "{text}");
    }
}

/// Several transactions in one entry must have their amounts, and together the entry's.
#[test]
fn a_batch_entry_names_each_payment() {
    let entry = |first: &str, second: &str| {
        let one = |amount: &str, reference: &str| {
            let amount =
                if amount.is_empty() { String::new() } else { format!("<Amt Ccy=\"CNY\">{amount}</Amt>") };
            format!("<TxDtls><Refs><EndToEndId>{reference}</EndToEndId></Refs>{amount}</TxDtls>")
        };
        let text = format!(
            "<Document><BkToCstmrDbtCdtNtfctn><Ntfctn><Ntry><Amt Ccy=\"CNY\">10</Amt><CdtDbtInd>DBIT</CdtDbtInd>\
             <Sts>BOOK</Sts><NtryDtls>{}</NtryDtls><NtryDtls>{}</NtryDtls></Ntry></Ntfctn></BkToCstmrDbtCdtNtfctn>\
             </Document>",
            one(first, "a"),
            one(second, "b")
        );
        answer::parse("a.xml", text.as_bytes()).map_err(|error| error.to_string())
    };
    let read = entry("7.50", "2.50").unwrap();
    let told: Vec<_> = read.iter().map(|line| (line.reference.as_str(), line.amount_fen, line.way)).collect();
    assert_eq!(told, [("a", 750, Some(Way::Out)), ("b", 250, Some(Way::Out))]);
    assert!(entry("7.50", "2.49").unwrap_err().contains("1000 fen, its transactions have 999"));
    assert!(entry("7.50", "").unwrap_err().contains("Amt is missing, and there are more transactions"));
}

#[test]
fn what_is_no_message_is_refused() {
    let pacs = example::pacs002(&told());
    let half = &pacs[..pacs.len() / 2];
    let deep = format!("<Document>{}", "<a>".repeat(100));
    for (text, says) in [
        ("<html><body>502</body></html>", "html: Document is missing"),
        ("<Document><CstmrCdtTrfInitn/></Document>", "it is none of pacs.002"),
        (half, "the file ends inside it: it was cut"),
        (&deep, "more than 32 inside each other"),
        ("<!DOCTYPE a [<!ENTITY b \"c\">]><Document/>", "document type"),
        ("<Document>&b;</Document>", "an entity is not known"),
        ("<Document></Record>", "it is no XML"),
        ("<Document/><Document/>", "a second message"),
        ("<?xml version=\"1.0\" encoding=\"GBK\"?><Document/>", "its encoding is GBK, not UTF-8"),
        (&pacs.replace("pacs.002.001.10", "camt.054.001.08"), "its name space says camt.054"),
        (&altered(&pacs, "</Document>", "<More/></Document>"), "something beside FIToFIPmtStsRpt"),
        ("<", "it is no XML"),
    ] {
        let why = refused("a.xml", text);
        assert!(why.contains(says), "{text}: {why}");
    }
    let many = format!("<Document>{}</Document>", "<a/>".repeat(200_000));
    assert!(refused("a.xml", &many).contains("more than 200000 elements"));
}

#[test]
fn a_file_that_is_too_large_or_not_there_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.csv");
    let why = answer::read(&path).unwrap_err().to_string();
    assert!(why.contains("a.csv"), "{why}");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(ANSWER_BYTES_MAX + 1).unwrap();
    let why = answer::read(&path).unwrap_err().to_string();
    assert!(why.contains("it has more than 16777216 bytes"), "{why}");
    std::fs::write(&path, example::csv(&told())).unwrap();
    assert_eq!(answer::read(&path).unwrap().len(), 3);
}

/// Whatever bytes come: an answer or a refusal, and where a byte makes another answer, no confirmation.
#[test]
fn no_byte_of_an_answer_can_be_changed_unseen() {
    let told = told();
    for (file, text) in forms(&told) {
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            for flip in [1, 0x20, 0x80] {
                bytes[at] ^= flip;
                if let Ok(lines) = answer::parse(file, &bytes) {
                    let same = lines.len() == told.len()
                        && lines.iter().zip(&told).all(|(a, b)| {
                            (&a.reference, a.amount_fen, &a.status) == (&b.reference, b.amount_fen, &b.status)
                        });
                    assert!(same || !differences(&lines).is_empty(), "{file}, byte {at}");
                }
                bytes[at] ^= flip;
            }
        }
        for end in 0..text.len() {
            if let Ok(lines) = answer::parse(file, &text.as_bytes()[..end]) {
                assert!(lines.len() < told.len() || end >= text.trim_end().len(), "{file}, {end} bytes");
            }
        }
    }
}
