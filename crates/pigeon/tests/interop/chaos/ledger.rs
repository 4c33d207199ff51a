//! Ledgers: what each member read and each hub stored, and what must be true of all of them
//! together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use pigeon_proto::Message;
use serde_json::Value;

/// A message in a ledger. Its text is `NAME NUMBER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) position: u64,
    /// AUTHOR/OUTBOX/NUMBER.
    pub(super) identity: String,
    pub(super) text: String,
}

/// The messages of one member or hub, in the order in which it has them.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    pub(super) name: String,
    pub(super) lines: Vec<Line>,
}

/// The numbers of the acknowledged messages of each reliable member.
pub(super) type Acknowledged = BTreeMap<String, BTreeSet<u64>>;

impl Line {
    pub(super) fn new(message: &Message) -> Line {
        let id = message.identity;
        Line {
            position: message.position.get(),
            identity: format!("{:032x}/{:016x}/{}", id.author, id.outbox, id.number),
            text: String::from_utf8_lossy(&message.text).into_owned(),
        }
    }

    /// The line in a file, with its newline.
    pub(super) fn written(&self) -> String {
        format!("{} {} {}\n", self.position, self.identity, self.text)
    }

    fn parse(line: &str) -> Option<Line> {
        let (position, rest) = line.split_once(' ')?;
        let (identity, text) = rest.split_once(' ')?;
        let (identity, text) = (identity.to_string(), text.to_string());
        Some(Line { position: position.parse().ok()?, identity, text })
    }

    pub(super) fn epoch(&self) -> u64 {
        self.position >> 40
    }

    /// The speaker's name and number.
    fn said(&self) -> Option<(&str, u64)> {
        let (name, number) = self.text.split_once(' ')?;
        Some((name, number.parse().ok()?))
    }
}

impl Ledger {
    /// A member's ledger from its file.
    pub(super) fn read(name: &str, path: &Path) -> Ledger {
        let whole = fs::read_to_string(path).unwrap();
        let parse = |line| Line::parse(line).unwrap_or_else(|| panic!("{name}: {line}"));
        Ledger { name: name.into(), lines: whole.lines().map(parse).collect() }
    }

    /// A hub's log from the lines of `pigeon history --export`.
    pub(super) fn exported(name: &str, lines: &[String]) -> Ledger {
        let parse = |line: &String| {
            let value: Value = serde_json::from_str(line).unwrap();
            // A gap and the file's head have no text.
            let text = value["text"].as_str()?.to_string();
            let word = |field: &str| value[field].as_str().unwrap_or_default().to_string();
            let identity = format!("{}/{}/{}", word("author"), word("outbox"), value["number"]);
            Some(Line { position: value["position"].as_u64()?, identity, text })
        };
        Ledger { name: name.into(), lines: lines.iter().filter_map(parse).collect() }
    }
}

/// Takes from a hub's log what no reliable member has read: tails of epochs with plain messages only.
/// Returns their number.
///
/// Brokers that lose what they have acknowledged use its places again. A hub that had read it alone and
/// is away then cannot be asked, so its log ends that epoch with other plain messages than the log of a
/// hub that reads on. A reliable member's message in such a tail would be a fault.
pub(super) fn cut_lost_tails(
    hub: &mut Ledger,
    members: &[Ledger],
    acknowledged: &Acknowledged,
) -> usize {
    let read: Vec<&Line> = members.iter().flat_map(|member| &member.lines).collect();
    let at: HashMap<u64, &str> =
        read.iter().map(|line| (line.position, line.identity.as_str())).collect();
    let of: HashMap<(u64, &str), u64> =
        read.iter().map(|line| ((line.epoch(), line.identity.as_str()), line.position)).collect();
    let differs = |line: &Line| {
        let other = at.get(&line.position).is_some_and(|identity| *identity != line.identity);
        let key = (line.epoch(), line.identity.as_str());
        other || of.get(&key).is_some_and(|position| *position != line.position)
    };
    let is_plain = |line: &Line| line.said().is_none_or(|it| !acknowledged.contains_key(it.0));
    let mut lost: BTreeMap<u64, u64> = BTreeMap::new();
    for line in hub.lines.iter().filter(|line| differs(line)) {
        lost.entry(line.epoch()).or_insert(line.position);
    }
    let is_in = |line: &Line, epoch: u64, from: u64| line.epoch() == epoch && line.position >= from;
    lost.retain(|epoch, from| {
        hub.lines.iter().filter(|line| is_in(line, *epoch, *from)).all(is_plain)
    });
    hub.lines.retain(|line| lost.get(&line.epoch()).is_none_or(|from| line.position < *from));
    lost.len()
}

/// Everything in these ledgers that must not be: what was acknowledged and is missing, what is
/// there twice, what is out of its author's order, and different orders within an epoch.
pub(super) fn faults(ledgers: &[Ledger], acknowledged: &Acknowledged) -> Vec<String> {
    let mut faults: Vec<String> =
        ledgers.iter().flat_map(|ledger| faults_of_one(ledger, acknowledged)).collect();
    // The first ledger that has a message at a position of an epoch, or a position for a message.
    let mut at: HashMap<u64, (&str, &Line)> = HashMap::new();
    let mut of: HashMap<(u64, &str), (&str, &Line)> = HashMap::new();
    for ledger in ledgers {
        for line in &ledger.lines {
            let here = (ledger.name.as_str(), line);
            let (other, first) = *at.entry(line.position).or_insert(here);
            if first.identity != line.identity {
                faults.push(format!(
                    "{}: at {} {:?}, in {other} {:?}",
                    ledger.name, line.position, line.text, first.text
                ));
            }
            let (other, first) = *of.entry((line.epoch(), &line.identity)).or_insert(here);
            if first.position != line.position {
                faults.push(format!(
                    "{}: {:?} at {}, in {other} at {}",
                    ledger.name, line.text, line.position, first.position
                ));
            }
        }
    }
    faults
}

fn faults_of_one(ledger: &Ledger, acknowledged: &Acknowledged) -> Vec<String> {
    let name = &ledger.name;
    let mut faults = Vec::new();
    let (mut identities, mut texts) = (BTreeSet::new(), BTreeSet::new());
    let mut last_of_epoch: BTreeMap<u64, u64> = BTreeMap::new();
    let mut last_of_author: BTreeMap<&str, u64> = BTreeMap::new();
    let mut read: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for line in &ledger.lines {
        let text = &line.text;
        if !identities.insert(&line.identity) {
            faults.push(format!("{name}: {text:?} twice, as {}", line.identity));
        } else if !texts.insert(text) {
            faults.push(format!("{name}: {text:?} twice, again as {}", line.identity));
        }
        let last = last_of_epoch.insert(line.epoch(), line.position).unwrap_or(0);
        if last >= line.position {
            faults.push(format!("{name}: {text:?} at {} behind {last}", line.position));
        }
        let Some((author, number)) = line.said().filter(|it| acknowledged.contains_key(it.0))
        else {
            continue;
        };
        let last = last_of_author.insert(author, number).unwrap_or(0);
        if last > number {
            faults.push(format!("{name}: {text:?} behind number {last}"));
        }
        read.entry(author).or_default().insert(number);
    }
    for (author, numbers) in acknowledged {
        let empty = BTreeSet::new();
        let read = read.get(author.as_str()).unwrap_or(&empty);
        for number in numbers.difference(read) {
            faults.push(format!("{name}: \"{author} {number}\" lost"));
        }
    }
    faults
}

/// Edits copies of a correct ledger by hand, and checks that each fault is found.
pub(super) fn finds_faults_put_in_by_hand(ledgers: &[Ledger], acknowledged: &Acknowledged) {
    let is_known = |line: &Line| {
        let said = line.said().and_then(|(name, number)| Some((acknowledged.get(name)?, number)));
        said.is_some_and(|(numbers, number)| numbers.contains(&number))
    };
    let lines = &ledgers[0].lines;
    let at = (lines.len() / 3..lines.len()).find(|at| is_known(&lines[*at]));
    let at = at.expect("an acknowledged message in the last part of the ledger");
    type Edit = fn(&mut Vec<Line>, usize);
    let edits: [(&str, &str, Edit); 6] = [
        ("lost", "a line is removed", |lines, at| drop(lines.remove(at))),
        ("twice, as", "a line is doubled", |lines, at| lines.push(lines[at].clone())),
        ("twice, again as", "a line is doubled under another identity", |lines, at| {
            let identity = format!("{:032x}/{:016x}/1", 0, 1);
            lines.push(Line { position: u64::MAX >> 12, identity, ..lines[at].clone() });
        }),
        ("behind", "a line is moved to the end", |lines, at| {
            let line = lines.remove(at);
            lines.push(line);
        }),
        (" in ", "a line has the position of the next one", |lines, at| {
            lines[at].position = lines[at + 1].position;
        }),
        (" in ", "two messages have changed places", |lines, at| {
            let (one, two) = (lines[at].position, lines[at + 1].position);
            lines.swap(at, at + 1);
            (lines[at].position, lines[at + 1].position) = (one, two);
        }),
    ];
    // An edit touches the line behind too.
    let at = at.min(lines.len() - 2);
    for (fault, what, edit) in edits {
        let mut edited = ledgers.to_vec();
        edit(&mut edited[0].lines, at);
        let found = faults(&edited, acknowledged);
        assert!(found.iter().any(|found| found.contains(fault)), "{what}: {found:?}");
    }
}

#[test]
fn the_checker_finds_a_fault_put_into_a_ledger_by_hand() {
    let line = |n: u64| Line {
        position: (1 << 40) + n,
        identity: format!("{:032x}/{:016x}/{n}", n % 2, 7),
        text: format!("{} {}", ["ann", "bob"][(n % 2) as usize], n / 2 + 1),
    };
    let lines: Vec<Line> = (0..40).map(line).collect();
    let ledger = |name: &str| Ledger { name: name.into(), lines: lines.clone() };
    let mut ledgers = vec![ledger("a"), ledger("b")];
    let acknowledged: Acknowledged =
        ["ann", "bob"].map(|name| (name.to_string(), (1..=20).collect())).into();
    assert_eq!(faults(&ledgers, &acknowledged), Vec::<String>::new());
    // What was stored again in the next epoch has another position there.
    for line in ledgers[1].lines.iter_mut().skip(30) {
        line.position += 1 << 40;
    }
    assert_eq!(faults(&ledgers, &acknowledged), Vec::<String>::new());
    // A hub's own tail is cut, if it is plain; what a member has read is compared as it is.
    let mut hub = ledger("hub");
    hub.lines.truncate(35);
    for line in hub.lines.iter_mut().skip(30) {
        line.position += 1;
        line.text = "udp 1".into();
    }
    assert!(!faults(&[ledger("a"), hub.clone()], &acknowledged).is_empty());
    let (mut plain, mut reliable) = (hub.clone(), hub);
    reliable.lines[34].text = "ann 18".into();
    assert_eq!(cut_lost_tails(&mut plain, &[ledger("a")], &acknowledged), 1);
    assert_eq!(plain.lines, lines[..30]);
    assert_eq!(cut_lost_tails(&mut reliable, &[ledger("a")], &acknowledged), 0);
    assert_eq!(reliable.lines.len(), 35);
    ledgers[1] = ledger("b");
    finds_faults_put_in_by_hand(&ledgers, &acknowledged);
    // A file holds it as it is.
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos-ledger");
    fs::write(&path, lines.iter().map(Line::written).collect::<String>()).unwrap();
    assert_eq!(Ledger::read("a", &path).lines, lines);
}
