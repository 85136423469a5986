//! The ports of the local system, from the shell file that states them.

use std::collections::BTreeMap;

/// The ports in a text of lines `NAME=1234`, `NAME="1 2 3"` or `: "${NAME:=1 2 3}"`, by the names that end in
/// `PORT` or `PORTS`; `environment` beats the text, as it does in the shell.
///
/// # Errors
/// A line that names a port and states none, with its number.
pub fn parse(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, Vec<u16>>, String> {
    let mut ports = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let Some((name, value)) = assignment(line) else { continue };
        if !name.ends_with("PORT") && !name.ends_with("PORTS") {
            continue;
        }
        let value = environment(name).unwrap_or_else(|| value.to_owned());
        let list: Result<Vec<u16>, _> = value.split_whitespace().map(str::parse).collect();
        let list = list.map_err(|error| format!("line {number}: {name} is `{value}`: {error}"))?;
        ports.insert(name.to_owned(), list);
    }
    Ok(ports)
}

fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (name, value) = match line.strip_prefix(": \"${") {
        Some(rest) => rest.strip_suffix("}\"")?.split_once(":=")?,
        None => line.strip_prefix("export ").unwrap_or(line).split_once('=')?,
    };
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    plain.then(|| (name, value.trim_matches(['"', '\''])))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# ports\n: \"${CITIES:=cu-2000 cu-3100}\"\n: \"${KAFKA_PORT:=19092}\"\n\
                        : \"${ISSUER_PORTS:=7001 7002}\"\nexport ADMIN_PORT=7400\nOTHER_PORT='7401'\n";

    #[test]
    fn every_form_of_a_shell_default_is_read() {
        let ports = parse(TEXT, &|_| None).unwrap();
        let flat: Vec<(&str, &[u16])> = ports.iter().map(|(name, list)| (&**name, &**list)).collect();
        assert_eq!(
            flat,
            [
                ("ADMIN_PORT", &[7400][..]),
                ("ISSUER_PORTS", &[7001, 7002]),
                ("KAFKA_PORT", &[19092]),
                ("OTHER_PORT", &[7401])
            ]
        );
    }

    #[test]
    fn the_environment_beats_the_file_and_what_is_no_port_is_named() {
        let environment = |name: &str| (name == "KAFKA_PORT").then(|| "29092".to_owned());
        assert_eq!(parse(TEXT, &environment).unwrap()["KAFKA_PORT"], [29092]);
        let error = parse("A=1\nKAFKA_PORT=70000\n", &|_| None).unwrap_err();
        assert!(
            error.contains("line 2") && error.contains("KAFKA_PORT") && error.contains("70000"),
            "{error}"
        );
    }
}
