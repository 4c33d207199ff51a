//! Contacts: a file with concurrent changes, and names for endpoints.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::book::Book;
use crate::peers::{address_of, hex, installed, python};
use crate::process::{Process, SOON, Voice};

#[test]
fn twenty_at_once_lose_nothing() {
    let book = Book::saying("# everybody in the lab\n\"狗哥\" = \"h:1\"  # the dog\n# the end\n");
    let name = |n: usize| format!("猴{n}");
    let mut adders: Vec<Process> = (0..20)
        .map(|n| book.pigeon("adder", &["contacts", "add", &name(n), &format!("h:{}", n + 2)]))
        .collect();
    for adder in &mut adders {
        assert_eq!(adder.expect_end(SOON).code(), Some(0));
    }
    let text = book.text();
    assert!(text.starts_with("# everybody in the lab\n\"狗哥\" = \"h:1\"  # the dog\n# the end\n"));
    let (code, list) = book.ended(&["contacts", "list"]);
    let listed = list.lines(Voice::Out);
    assert_eq!((code, listed.len()), (Some(0), 21));
    assert!((0..20).all(|n| listed.iter().any(|line| line.starts_with(&name(n)))), "{text}");
    let left: Vec<_> = fs::read_dir(book.directory()).unwrap().flatten().collect();
    assert_eq!(left.len(), 2, "only the file and its lock: {left:?}");
}

#[test]
fn a_contact_is_added_listed_renamed_and_removed() {
    let book = Book::new();
    let done = |args: &[&str]| {
        let (code, process) = book.ended(&[&["contacts"], args].concat());
        assert_eq!(code, Some(0), "{args:?}");
        assert_eq!(process.lines(Voice::Err).len(), usize::from(args[0] != "list"), "{args:?}");
        process.lines(Voice::Out)
    };
    done(&["add", "狗哥", "192.168.1.103:8080", "--encoding", "GB2312"]);
    done(&["add", "sensor", "[::1]:9"]);
    assert_eq!(done(&["list"]), ["狗哥    192.168.1.103:8080  gb2312", "sensor  [::1]:9"]);
    assert_eq!(
        done(&["list", "--json"])[0],
        r#"{"name":"狗哥","endpoint":"192.168.1.103:8080","encoding":"gb2312","ipmsg":false}"#
    );
    done(&["rename", "狗哥", "老狗"]);
    done(&["add", "SENSOR", "[::1]:9", "--encoding", "auto"]);
    assert_eq!(
        done(&["list"]),
        ["老狗    192.168.1.103:8080  gb2312", "sensor  [::1]:9             auto"]
    );
    done(&["remove", "老狗"]);
    assert_eq!(book.text(), "sensor = { endpoint = \"[::1]:9\", encoding = \"auto\" }\n");
}

#[test]
fn what_cannot_be_is_refused_and_the_file_stays() {
    let text = "# mine\n\"狗哥\" = \"10.0.0.1:1\"\n";
    let book = Book::saying(text);
    for (args, reason) in [
        (&["add", "狗哥", "10.0.0.2:1"][..], "狗哥 is already 10.0.0.1:1"),
        (&["add", "10.0.0.3:1", "h:1"], "looks like an endpoint"),
        (&["add", "a\x1b[2Jb", "h:1"], r"a\x1b[2Jb"),
        (&["add", "老王", "h"], "no port"),
        (&["remove", "狗歌"], "did you mean 狗哥?"),
        (&["rename", "nobody", "somebody"], "there is no contact nobody"),
    ] {
        let (code, process) = book.ended(&[&["contacts"], args].concat());
        let said = process.lines(Voice::Err).join("\n");
        assert!(code == Some(2) && said.contains(reason), "{args:?}: {code:?} {said}");
    }
    assert_eq!(book.text(), text);
}

#[test]
fn a_syntax_error_is_told_with_its_place_and_the_file_stays() {
    let text = "# mine\n\"狗哥\" = \"10.0.0.1:1\"\nbroken = {\n";
    let book = Book::saying(text);
    for args in [
        &["contacts", "add", "x", "h:1"][..],
        &["contacts", "remove", "狗哥"],
        &["contacts", "list"],
        &["send", "狗哥", "hello"],
    ] {
        let (code, process) = book.ended(args);
        let said = process.lines(Voice::Err);
        let [line] = &said[..] else { panic!("not one line: {said:?}") };
        assert!(code == Some(2) && line.contains("contacts.toml: line 3, column "), "{line}");
    }
    assert_eq!(book.text(), text);
    // A command without a contact ignores a damaged file.
    let (code, process) = book.ended(&["send", "127.0.0.1:0", "hello"]);
    let said = process.lines(Voice::Err).join("\n");
    assert!(code == Some(2) && said.contains("port 0") && !said.contains("contacts"), "{said}");
}

#[test]
fn line_ends_are_kept_and_many_contacts_are_no_matter() {
    let many: String = (0..2_000).map(|n| format!("c{n}=\"10.0.0.1:{}\"\r\n", n + 1)).collect();
    let book = Book::saying(&many);
    assert_eq!(book.ended(&["contacts", "add", "狗哥", "10.0.0.2:1"]).0, Some(0));
    assert_eq!(book.text(), format!("{many}\"狗哥\" = {{ endpoint = \"10.0.0.2:1\" }}\r\n"));
    for (command, status) in [("chat", 2), ("join", 1)] {
        let (code, process) = book.ended(&[command, "狗歌"]);
        let said = process.lines(Voice::Err);
        let last = said.last().unwrap();
        assert!(code == Some(status) && last.contains("did you mean 狗哥?"), "{said:?}");
    }
}

#[test]
fn links_and_permissions_are_kept() {
    let book = Book::new();
    let real = book.directory().join("real.toml");
    fs::write(&real, "# private\n").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).unwrap();
    symlink("real.toml", book.path()).unwrap();
    assert_eq!(book.ended(&["contacts", "add", "a", "h:1"]).0, Some(0));
    assert!(fs::symlink_metadata(book.path()).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), "# private\na = { endpoint = \"h:1\" }\n");
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
}

/// A socket instead of /dev/null: creating it needs no root, and opening it cannot block.
#[test]
fn what_is_no_file_is_not_replaced_by_one() {
    let book = Book::new();
    let _special = UnixListener::bind(book.path()).unwrap();
    let (code, process) = book.ended(&["contacts", "add", "a", "h:1"]);
    let said = process.lines(Voice::Err).join("\n");
    assert!(code == Some(2) && said.ends_with("it is not a regular file"), "{code:?} {said}");
    assert!(fs::symlink_metadata(book.path()).unwrap().file_type().is_socket());
}

#[test]
fn the_file_stands_in_the_configuration_directory() {
    let home = Book::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
    command.args(["contacts", "add", "狗哥", "h:1"]).env_remove("PIGEON_CONTACTS");
    command.env("XDG_CONFIG_HOME", home.directory());
    let mut add = Process::spawn("contacts add", &mut command);
    assert_eq!(add.expect_end(SOON).code(), Some(0));
    let text = fs::read_to_string(home.directory().join("pigeon/contacts.toml")).unwrap();
    assert_eq!(text, "\"狗哥\" = { endpoint = \"h:1\" }\n");
}

#[test]
fn a_name_goes_where_an_endpoint_goes_and_brings_its_encoding() {
    if !installed("python3") {
        return;
    }
    let peer = python("hex_peer.py", &[]);
    let book = Book::new();
    let at = address_of(&peer).to_string();
    let add = book.ended(&["contacts", "add", "狗哥", &at, "--encoding", "gb2312"]);
    assert_eq!(add.0, Some(0));
    for (args, bytes) in [
        (&["send", "狗哥", "你好"][..], "c4e3bac3".to_string()),
        // The port is text here, because 狗哥 is not a host.
        (&["send", "狗哥", "9", "好"], format!("3920{}", "bac3")),
        (&["send", "狗哥", "你好", "--encoding", "utf-8"], hex("你好".as_bytes())),
        (&["ask", "狗哥", "你好", "--attempts", "1"], "c4e3bac3".to_string()),
    ] {
        let before = peer.lines(Voice::Out).len();
        book.ended(args);
        let lines = peer.expect_lines(before + 1, SOON);
        assert!(lines[before].ends_with(&format!(" {bytes}")), "{args:?}: {}", lines[before]);
    }
    let (code, unknown) = book.ended(&["send", "猫哥", "hello"]);
    let said = unknown.lines(Voice::Err).join("\n");
    assert!(code == Some(2) && said.contains("did you mean 狗哥?"), "{said}");
}
