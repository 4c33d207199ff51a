//! Valid names, equal names, and confusable ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use pigeon_proto::{MAX_NAME_CHARS, Name, NameError, RoomName, fold};
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

fn name(text: &str) -> Name {
    Name::parse(text.as_bytes()).unwrap_or_else(|why| panic!("{text:?}: {why}"))
}

fn refused(text: &str) -> NameError {
    Name::parse(text.as_bytes()).expect_err(text)
}

/// Whether two names are confusable, so that only one may be in use.
fn look_alike(one: &str, other: &str) -> bool {
    let (one, other) = (name(one).skeletons(), name(other).skeletons());
    one[0] == other[0] || one[1] == other[1]
}

#[test]
fn characters_that_nobody_sees_are_in_no_name() {
    let invisible = [
        "狗哥\u{fe00}", // variation selectors
        "狗\u{fe00}哥",
        "bob1\u{fe0e}",
        "❤\u{fe0f}",
        "☎\u{fe0e}",
        "🏴\u{e0067}",  // a tag
        "👩\u{200d}🚀", // a joiner
        "bob\u{34f}",   // combining grapheme joiner
        "bob\u{115f}",  // Hangul fillers
        "bob\u{1160}",
        "\u{3164}bob",
        "bob\u{ffa0}",
        "ខ\u{17b4}",    // inherent vowels of Khmer
        "hub\u{1d159}", // a note without a head
        "hub\u{2800}",  // a blank of Braille
        "hub\u{fffc}",  // a place for an object
        "hub\u{13441}", // blanks of hieroglyphs
        "hub\u{13442}",
        "hub\u{16fe4}",
        "hub\u{180b}", // a variation selector of Mongolian
        "hub\u{e0100}",
        "hub\u{200b}",
        "hub\u{2060}",
        "hub\u{ad}", // a hyphen only at the end of a line
        "hub\u{feff}",
        "hub\u{202e}",
        "hub\u{61c}",
    ];
    for text in invisible {
        let why = refused(text);
        assert!(matches!(why, NameError::Invisible(_) | NameError::Unprintable), "{text:?}: {why}");
    }
    assert_eq!(refused("狗\u{fe00}哥"), NameError::Invisible('\u{fe00}'));
}

#[test]
fn nothing_in_a_name_reads_as_the_end_of_one() {
    for (text, c) in [
        ("狗哥@hub", '@'),
        ("狗哥＠hub", '＠'),
        ("狗哥﹫hub", '﹫'),
        ("狗哥:hi", ':'),
        ("狗哥：大家好", '：'),
        ("狗哥﹕大家好", '﹕'),
        ("狗哥，猫", '，'),
        ("狗哥；猫", '；'),
        ("狗哥 猫", ' '),
        ("狗哥\u{2003}猫", '\u{2003}'),
    ] {
        assert_eq!(refused(text), NameError::Reserved(c), "{text}");
    }
}

#[test]
fn no_name_looks_like_an_address() {
    for text in [
        "127.0.0.1",
        "10.0.2.255",
        "999.999.999.999",
        "127.000.000.001",
        "１２７．０．０．１",
        "①②⑦.0.0.1",
        "127․0․0․1",
        "127。0。0。1",
        "127·0·0·1",
        "𝟙𝟚𝟟.𝟘.𝟘.𝟙",
        "l27.0.0.1",
        "127.O.0.l",
        "127.0.0.1∶5000",
        "127.0.0.1꞉5000",
        "fe80∷1",
        "[∷1]",
        "[fe80∷1]∶9999",
        "fe80∷1%eth0",
    ] {
        assert_eq!(refused(text), NameError::Address, "{text}");
    }
    for text in ["127.0.0.1:5000", "[::1]:9", "::1", "１２７．０．０．１：５０００"] {
        assert!(matches!(refused(text), NameError::Reserved(_)), "{text}");
    }
    for fine in ["1.2.3", "v1.2.3.4", "192.168", "10.0.0.x", "sensor-7", "hub.local", "fe80", "[x]"]
    {
        name(fine);
    }
    assert_eq!(RoomName::parse(b"10.0.0.1").unwrap_err(), NameError::Address);
}

#[test]
fn what_a_name_costs_to_compare_is_bounded() {
    name(&"ß".repeat(MAX_NAME_CHARS));
    name(&"한".repeat(MAX_NAME_CHARS));
    name(&"㍿".repeat(16));
    assert_eq!(refused(&"㍿".repeat(17)), NameError::TooLong);
    assert_eq!(refused(&"ﷺ".repeat(4)), NameError::TooLong);
    assert_eq!(refused(&"x".repeat(100_000)), NameError::TooLong);
}

#[test]
fn one_name_is_found_however_its_capitals_and_marks_are_written() {
    for (one, other) in [
        ("Zoë", "Zoe\u{308}"),
        ("ZOË", "zoe\u{308}"),
        ("Νίκος", "ΝΊΚΟΣ"),
        ("Straße", "STRASSE"),
        ("Straße", "STRAẞE"),
        ("ΑΣ", "ας"),
        ("ﬁn", "FIN"), // full folding takes a ligature apart
        ("ŉ", "ʼN"),
        ("Ǆ", "ǆ"),
        ("ԱՒ", "աւ"),
        ("և", "եւ"),
        ("İ", "i\u{307}"),
        ("Ω", "ω"), // the ohm sign
        ("Å", "å"), // the angstrom sign
        ("K", "k"), // the kelvin sign
        ("한", "\u{1112}\u{1161}\u{11ab}"),
        ("ᾼ", "αι"),
        ("e\u{323}\u{301}", "e\u{301}\u{323}"),
        ("ꭰ", "Ꭰ"),
        ("𐐀", "𐐨"),
    ] {
        assert_eq!(name(one).folded(), name(other).folded(), "{one} {other}");
        assert!(look_alike(one, other), "{one} {other}");
    }
    // Confusable names stay distinct in commands: a message for one must not reach the other.
    for (one, other) in
        [("hub", "һub"), ("bob", "ｂｏｂ"), ("rn", "m"), ("I", "ı"), ("i", "İ"), ("Zoë", "Zoe")]
    {
        assert_ne!(name(one).folded(), name(other).folded(), "{one} {other}");
    }
}

#[test]
fn names_that_the_eye_takes_for_one_another_look_alike() {
    for (one, other) in [
        // Names with look-alikes from other scripts.
        ("hub", "һub"),
        ("hub", "hυb"),
        ("HUB", "ΗUB"),
        ("hub", "ΗUВ"),
        ("bob", "Ьоb"),
        ("paypal", "раураӏ"),
        ("apple", "аррӏе"),
        ("scope", "ѕсоре"),
        ("Ада", "Aдa"),
        ("Νίκος", "Nίκος"),
        ("okay", "օkay"),
        ("dog", "ԁog"),
        ("joe", "јое"),
        ("ALICE", "АLІСЕ"),
        // Full-width, mathematical, circled, superscript.
        ("hub", "ｈｕｂ"),
        ("HUB", "ＨＵＢ"),
        ("hub", "𝐡𝐮𝐛"),
        ("hub", "𝔥𝔲𝔟"),
        ("hub", "ⓗⓤⓑ"),
        ("bob1", "bob¹"),
        ("bob1", "bob①"),
        // Ligatures and squared words.
        ("fi", "ﬁ"),
        ("office", "oﬃce"),
        ("dz", "ǳ"),
        ("kg", "㎏"),
        // Digits and letters.
        ("bob", "b0b"),
        ("BOB", "b0b"),
        ("bill", "bi11"),
        ("Ian", "lan"),
        ("m", "rn"),
        ("modem", "rnodern"),
        // The skeleton of `i` is the dotless `ı`.
        ("istanbul", "ıstanbul"),
        // Chinese and Japanese.
        ("土豆", "士豆"),
        ("未来", "末来"),
        ("日月", "曰月"),
        ("口天", "ロ天"),
        ("力王", "カ王"),
        ("二狗", "ニ狗"),
        ("八戒", "ハ戒"),
        ("⼀二", "一二"), // a radical
        ("神", "神"),     // a compatibility ideograph
        ("ﾊﾝ", "ハン"),   // half-width
        ("ガ", "ｶﾞ"),
        // Korean: syllables and their letters.
        ("가", "\u{1100}\u{1161}"),
        ("ㄱ", "\u{1100}"),
        // Marks in another order.
        ("o\u{323}\u{302}", "o\u{302}\u{323}"),
        ("ộ", "ọ\u{302}"),
        ("q\u{307}\u{323}", "q\u{323}\u{307}"),
    ] {
        assert!(look_alike(one, other), "{one} {other}");
        assert!(look_alike(other, one), "{other} {one}");
    }
}

/// Names with different skeletons are accepted, even if a hasty reader confuses them.
#[test]
fn different_names_stay_different() {
    for (one, other) in [
        ("狗哥", "猴哥"),
        ("小明", "小红"),
        ("王伟", "玉伟"),
        ("w", "vv"),
        ("张伟", "張偉"), // simplified and traditional are different words on the screen
        ("bob", "bob1"),
        ("bob", "bobb"),
        ("bob", "rob"),
        ("bob", "bop"),
        ("ann", "anna"),
        ("Zoe", "Zoë"),
        ("istanbul", "İstanbul"),
        ("ape", "cat"),
        ("sensor-7", "sensor-8"),
        ("sensor7", "sensor-7"),
        ("❤", "♥"),
        ("🐶", "🐕"),
        ("가", "나"),
        ("ま", "ま\u{3099}"),
        ("は", "ば"),
    ] {
        assert!(!look_alike(one, other), "{one} {other}");
    }
    // False positives of the rule: `m` equals `rn` in a skeleton, and `1`, `l` and `I` are one
    // letter. The second of each pair is refused with the holder's name.
    for (one, other) in
        [("rnike", "mike"), ("adm1n", "admln"), ("土", "士"), ("sensor1", "sensorl")]
    {
        assert!(look_alike(one, other), "{one} {other}");
    }
}

fn settings() -> ProptestConfig {
    ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() }
}

/// Confusable texts of many kinds, and random ones.
fn text() -> impl Strategy<Value = String> {
    let alike =
        "[a-zA-Z0-9ĐßẞİıſσςΣΐᾼÅﬁﬃǅ\u{300}-\u{345}А-яΑ-ωｈｕｂ가-깋ㄱ-ㅎ狗哥土士ガｶﾞ①𝐡🐶.]{1,32}";
    prop_oneof![alike, "\\PC{1,32}"]
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn a_name_is_itself_in_any_normal_form_and_in_any_capitals(text in text()) {
        let Ok(name) = Name::parse(text.as_bytes()) else { return Ok(()) };
        prop_assert_eq!(fold(&fold(&text)), fold(&text));
        let (skeletons, folded) = (name.skeletons(), name.folded());
        let canonical: [String; 2] = [text.nfc().collect(), text.nfd().collect()];
        for form in &canonical {
            let Ok(form) = Name::parse(form.as_bytes()) else { continue };
            prop_assert_eq!(&form.folded(), &folded);
            prop_assert_eq!(&form.skeletons(), &skeletons);
        }
        let compatible: [String; 2] = [text.nfkc().collect(), text.nfkd().collect()];
        for form in &compatible {
            let Ok(form) = Name::parse(form.as_bytes()) else { continue };
            prop_assert_eq!(&form.skeletons(), &skeletons);
        }
    }

    #[test]
    fn no_bytes_break_a_name(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Name::parse(&bytes);
        fold(&String::from_utf8_lossy(&bytes));
    }
}
