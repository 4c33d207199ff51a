//! Search compared with brute force: any substring of a line finds exactly the lines that contain
//! it.

use std::collections::{BTreeSet, HashMap};

use pigeon_log::{Append, Entry, Options, Position, Query};

use crate::support::{Fixture, Random, plain, room};

const LINES: usize = 10_000;
const ROOMS: [&str; 3] = ["lobby", "厨房", "rare"];

fn line(random: &mut Random) -> String {
    const WORDS: [&str; 46] = [
        "温度",
        "传感器",
        "吃饭",
        "了吗",
        "今天",
        "天气",
        "不错",
        "下班",
        "开会",
        "三点",
        "会议室",
        "的",
        "了",
        "我们",
        "他们",
        "明天",
        "版本",
        "发布",
        "服务器",
        "重启",
        "磁盘",
        "满了",
        "狗哥",
        "老王",
        "カメラ",
        "ひらがな",
        "서버",
        "sensor",
        "Sensor-7",
        "OK",
        "hub",
        "udp",
        "release",
        "21.5",
        "192.168.1.20:9999",
        "https://example.org/a?b=c",
        "e\u{301}tude",
        "Straße",
        "ΑΣ",
        "ＦＵＬＬ",
        "１２３",
        "🐶",
        "👍👍",
        "👨\u{200d}👩\u{200d}👧",
        "\"quoted\"",
        "AND",
    ];
    const BETWEEN: [&str; 9] = ["", "", "", "", " ", "，", "。", "\u{3000}", "! "];
    let mut line = String::new();
    for _ in 0..1 + random.below(14) {
        if random.chance(6) {
            let rare = 0x4e00 + random.below(3_000) as u32;
            line.extend(char::from_u32(rare));
        } else {
            line.push_str(WORDS[random.below(WORDS.len())]);
        }
        line.push_str(BETWEEN[random.below(BETWEEN.len())]);
    }
    line
}

fn queries(random: &mut Random, lines: &[String]) -> Vec<String> {
    let cut = |random: &mut Random, longest: usize| {
        let characters: Vec<char> = lines[random.below(lines.len())].chars().collect();
        let start = random.below(characters.len());
        let end = (start + 1 + random.below(longest)).min(characters.len());
        characters[start..end].iter().collect::<String>()
    };
    let mut queries: Vec<String> =
        ["器", "o", "\"", "* OR body:", "没有这个", "NOT", "-", "r1", "'"]
            .map(str::to_owned)
            .to_vec();
    for _ in 0..100 {
        queries.push(cut(random, 2));
        queries.push(cut(random, 8));
        queries.push(cut(random, 4).to_uppercase());
        queries.push(format!("{} {}", cut(random, 3), cut(random, 3)));
    }
    // Pairs of adjacent characters, rare ones as often as common ones.
    let pairs: BTreeSet<[char; 2]> = lines
        .iter()
        .flat_map(|line| line.chars().zip(line.chars().skip(1)))
        .filter(|(a, b)| !a.is_whitespace() && !b.is_whitespace())
        .map(|(a, b)| [a, b])
        .collect();
    let pairs: Vec<[char; 2]> = pairs.into_iter().collect();
    assert!(pairs.len() > 10_000);
    queries.extend((0..300).map(|_| String::from_iter(pairs[random.below(pairs.len())])));
    queries
}

/// Folds a text as documented, independently of the code under test.
fn compared(text: &str) -> String {
    text.chars()
        .flat_map(char::to_lowercase)
        .map(|c| match u32::from(c) {
            wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0).unwrap(),
            0x3000 => ' ',
            _ => c,
        })
        .collect()
}

#[test]
fn every_substring_is_found_and_nothing_else() {
    let mut random = Random(11);
    let lines: Vec<String> = (0..LINES).map(|_| line(&mut random)).collect();
    let fixture = Fixture::with(Options { index_lag: 512, ..Options::default() });
    let message = |n: usize| -> Append {
        let mut message = plain(n as u64 + 1, &lines[n]);
        message.room = room(ROOMS[if n.is_multiple_of(50) { 2 } else { n % 2 }]);
        message
    };
    fixture.append((0..LINES - 300).map(message));
    fixture.wait_indexed();
    // Some of these are probably not indexed yet.
    fixture.append((LINES - 300..LINES).map(message));
    let all = fixture.all();
    let compared: HashMap<Position, String> = all
        .iter()
        .filter_map(Entry::message)
        .map(|m| (m.position, compared(std::str::from_utf8(&m.text).unwrap())))
        .collect();
    let reader = fixture.log().reader().unwrap();
    let mut hits = 0;
    for text in queries(&mut random, &lines) {
        let Some(query) = Query::parse(&text) else { continue };
        let folded = self::compared(&text);
        let words: Vec<&str> = folded.split_whitespace().collect();
        let name = (!random.chance(2)).then(|| room(ROOMS[random.below(3)]));
        let expected: Vec<Position> = all
            .iter()
            .rev()
            .filter_map(Entry::message)
            .filter(|m| name.as_ref().is_none_or(|name| m.room == *name))
            .filter(|m| words.iter().all(|word| compared[&m.position].contains(word)))
            .map(|m| m.position)
            .collect();
        // Reads pages of random size; every match must appear once.
        let (mut found, mut before) = (Vec::new(), Position::END);
        loop {
            let limit = 1 + random.below(4_000);
            let page = reader.search(&query, name.as_ref(), limit, before).unwrap();
            found.extend(page.messages.iter().map(|message| message.position));
            let Some(more) = page.more else { break };
            before = more;
        }
        if found != expected {
            let differs =
                |position: &&Position| found.contains(position) != expected.contains(position);
            for position in found.iter().chain(&expected).filter(differs) {
                eprintln!("{position}: {:?}", compared[position]);
            }
            panic!("{text:?} {} in {name:?}: {query:?}", text.escape_unicode());
        }
        hits += found.len();
    }
    assert!(hits > 10_000, "the queries find something: {hits}");
}

#[test]
fn a_search_stops_when_it_has_cost_enough_and_says_where() {
    let fixture = Fixture::new();
    let long = "很长的话 words ".repeat(1_500);
    fixture.append((1..=400).map(|n| plain(n, &format!("{n} {long}"))));
    fixture.append_one(plain(401, "x"));
    for indexed in [false, true] {
        let reader = fixture.log().reader().unwrap();
        // Few match, all match, none matches, and a rare one that only the index finds.
        for (words, expected) in [("7 很长", 76), ("words", 400), ("o很", 0), ("x", 1)] {
            let query = Query::parse(words).unwrap();
            let (mut count, mut calls, mut before) = (0, 0, Position::END);
            loop {
                let found = reader.search(&query, None, 1_000, before).unwrap();
                (count, calls) = (count + found.messages.len(), calls + 1);
                let Some(more) = found.more else { break };
                assert!(more < before);
                before = more;
            }
            assert_eq!(count, expected, "{words}");
            assert!((2..40).contains(&calls), "{words}: {calls} calls");
        }
        if !indexed {
            fixture.wait_indexed();
        }
    }
}

#[test]
fn large_entries_are_read_in_slices() {
    let mut fixture = Fixture::new();
    let long = "x".repeat(60_000);
    fixture.append((1..=300).map(|n| plain(n, &format!("{n} {long}"))));
    fixture.wait_indexed();
    fixture.open(Options::default()).unwrap();
    let reader = fixture.log().reader().unwrap();
    for name in [None, Some(room("lobby"))] {
        let (mut position, mut numbers, mut calls) = (Position::START, Vec::new(), 0);
        loop {
            let entries = reader.after(position, name.as_ref(), 1_000).unwrap();
            let Some(last) = entries.last() else { break };
            position = last.position();
            numbers.extend(entries.iter().filter_map(Entry::message).map(|m| m.identity.number));
            calls += 1;
        }
        assert!(numbers.into_iter().eq(1..=300) && calls > 3, "{calls} calls");
        let last = reader.before(Position::END, name.as_ref(), 1_000).unwrap();
        let first = last.first().and_then(Entry::message).unwrap().identity.number;
        assert!(last.len() < 150 && first as usize == 301 - last.len());
    }
}

#[test]
fn matching_is_plain_containment() {
    let matches = |query: &str, text: &str| Query::parse(query).unwrap().matches(text);
    assert!(matches("感器", "传感器"));
    assert!(!matches("传器", "传感器"));
    assert!(matches("ens", "SENSOR"));
    assert!(matches("full 123", "ＦＵＬＬ，１２３"));
    assert!(matches("👩\u{200d}👧", "👨\u{200d}👩\u{200d}👧"));
    assert!(matches("a b", "ba"), "each word is looked for by itself");
    assert!(!matches("a b", "a"));
    assert!(matches("b a", "a b"));
}

#[test]
fn what_is_not_indexed_is_found_and_what_is_deleted_is_not() {
    let mut fixture = Fixture::new();
    fixture.append([plain(1, "独角兽飞行器"), plain(2, "独角兽")]);
    let reader = fixture.log().reader().unwrap();
    let query = Query::parse("角兽").unwrap();
    let found = |reader: &pigeon_log::Reader| search(reader, &query);
    assert_eq!(found(&reader), 2);
    fixture.wait_indexed();
    assert_eq!(found(&reader), 2);
    fixture.log().forget(pigeon_log::Forget::Room(room("lobby"))).wait().unwrap();
    assert_eq!(found(&reader), 0);
    drop(reader);
    fixture.open(Options::default()).unwrap();
    assert_eq!(found(&fixture.log().reader().unwrap()), 0);
}

fn search(reader: &pigeon_log::Reader, query: &Query) -> usize {
    reader.search(query, None, 9, Position::END).unwrap().messages.len()
}
