//! The page for people: the newest cycles, and what of them is theirs.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{
    access::Role,
    answer::{Answer, Word},
    directory::Participant,
    name::CycleFolder,
    published::Listed,
};

const STYLE: &str = include_str!("page.css");

/// A cycle on the page.
pub(crate) struct Shown {
    pub(crate) cycle: CycleFolder,
    pub(crate) state: Option<String>,
    pub(crate) answer: Option<Answer>,
    pub(crate) files: Vec<Listed>,
}

/// The page of a participant.
pub(crate) fn of(participant: &Participant, cycles: &[Shown]) -> String {
    let who = match participant.role {
        Role::City(city) => format!("{} · {city}", participant.name),
        Role::Bank | Role::Operations => participant.name.clone(),
    };
    let page = html! {
        (DOCTYPE)
        html lang="zh-CN" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "清算文件 Settlement files · " (who) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "清算文件 " span lang="en" { "Settlement files" } }
                p { (who) }
                p.note {
                    "以下为最近的清算周期；全部周期见 " a href="/v1/cycles" { "/v1/cycles" }
                    "，结果与回执见 " a href="/v1/files" { "/v1/files" } "。 "
                    span lang="en" {
                        "The newest cycles. All of them: /v1/cycles; results and receipts: /v1/files."
                    }
                }
                @if cycles.is_empty() {
                    p { "尚无已公布的清算周期。 " span lang="en" { "No cycle is published yet." } }
                }
                @for shown in cycles { (cycle(participant, shown)) }
            }
        }
    };
    page.into_string()
}

fn cycle(participant: &Participant, shown: &Shown) -> Markup {
    html! {
        section {
            h2 { (shown.cycle) }
            @if let Some(state) = &shown.state { p { (chinese(state)) " " span lang="en" { (state) } } }
            @if participant.role != Role::Operations { p { (answered(shown.answer.as_ref())) } }
            table {
                thead { tr { th { "文件 File" } th.size { "字节 Bytes" } } }
                tbody {
                    @for file in &shown.files {
                        tr {
                            td {
                                a href={ "/v1/cycles/" (shown.cycle) "/files/" (file.name.address()) } {
                                    (file.name.as_str())
                                }
                            }
                            td.size { (thousands(file.size)) }
                        }
                    }
                }
            }
        }
    }
}

/// The word for a state.
fn chinese(state: &str) -> &str {
    match state {
        "closed" => "已关闭，待放行",
        "disputed" => "发卡城市有异议",
        "released" => "已放行",
        "confirmed" => "银行已确认",
        "settled" => "已结算",
        "refused" => "银行已退回",
        "failed" => "有参与方未付款",
        "replaced" => "已被新版本取代",
        _ => "",
    }
}

fn answered(answer: Option<&Answer>) -> Markup {
    let Some(answer) = answer else {
        return html! { "尚未答复 " span lang="en" { "not answered yet" } };
    };
    let (zh, en) = match answer.answer {
        Word::Acknowledged => ("已确认", "acknowledged"),
        Word::Refused => ("已拒绝", "refused"),
    };
    html! {
        (zh) " " span lang="en" { (en) } " " (answer.time)
        @if let Some(reason) = &answer.reason { " — " (reason) }
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::FileName;

    #[test]
    fn names_and_reasons_are_text_and_never_markup() {
        let cycle: CycleFolder = "2018-09-01-001".parse().unwrap();
        let participant = Participant { name: "icbc".to_owned(), role: Role::Bank };
        let answer = Answer {
            answer: Word::Refused,
            cycle: cycle.to_string(),
            fingerprint: String::new(),
            manifest_sha256: String::new(),
            directory_name: "icbc".to_owned(),
            participant: "icbc".to_owned(),
            reason: Some("<script>1</script>".to_owned()),
            time: "2018-09-02T09:00:00+08:00".to_owned(),
        };
        let files = vec![Listed { name: FileName::of("net <b>.csv").unwrap(), size: 1_234_567 }];
        let state = Some("released".to_owned());
        let page = of(&participant, &[Shown { cycle, state, answer: Some(answer), files }]);
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "{page}");
        assert!(page.contains("/v1/cycles/2018-09-01-001/files/net%20%3Cb%3E.csv"), "{page}");
        assert!(page.contains("1,234,567") && page.contains("已拒绝") && page.contains("已放行"), "{page}");
        assert_eq!([0, 12, 123, 1234, 123_456].map(thousands), ["0", "12", "123", "1,234", "123,456"]);
    }
}
