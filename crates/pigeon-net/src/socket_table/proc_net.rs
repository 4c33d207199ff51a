//! The sockets in `/proc/net/udp` and `/proc/net/udp6` (proc_pid_net(5)). Hand-written because the
//! `procfs` crate omits the column `drops`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::entry::SocketEntry;

/// The state of a connected socket; others are 07 (`TCP_ESTABLISHED` and `TCP_CLOSE` in the
/// kernel's include/net/tcp_states.h).
const CONNECTED: &str = "01";

/// Every bound socket, without holders and user names.
#[cfg(target_os = "linux")]
pub(super) fn sockets() -> std::io::Result<Vec<SocketEntry>> {
    use std::io;

    let mut sockets = Vec::new();
    for path in ["/proc/net/udp", "/proc/net/udp6"] {
        let explain = |error: io::Error| io::Error::new(error.kind(), format!("{path}: {error}"));
        let table = match std::fs::read_to_string(path) {
            Ok(table) => table,
            // A kernel without IPv6 has no second table.
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.ends_with('6') => break,
            Err(error) => return Err(explain(error)),
        };
        for line in table.lines().skip(1) {
            let unknown = || explain(io::Error::other(format!("cannot make out `{line}`")));
            sockets.push(entry(line).ok_or_else(unknown)?);
        }
    }
    // The kernel outputs the table in pieces; a socket that moves in between appears twice.
    let mut seen = std::collections::HashSet::new();
    sockets.retain(|socket| socket.inode == 0 || seen.insert(socket.inode));
    Ok(sockets)
}

/// Parses one line:
///
/// ```text
///   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
/// 1390: 0100007F:270F 00000000:0000 07 00000000:00000300 00:00000000 00000000  1000        0 42211 2 0000000000000000 7
/// ```
fn entry(line: &str) -> Option<SocketEntry> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, remote, state, queues, _, _, uid, _, inode, _, _, drops, ..] = fields[..] else {
        return None;
    };
    let (send_queue, receive_queue) = queues.split_once(':')?;
    Some(SocketEntry {
        local: address(local)?,
        remote: Some(address(remote)?).filter(|_| state == CONNECTED),
        uid: uid.parse().ok()?,
        user: None,
        inode: inode.parse().ok()?,
        receive_queue: u64::from_str_radix(receive_queue, 16).ok()?,
        send_queue: u64::from_str_radix(send_queue, 16).ok()?,
        drops: drops.parse().ok()?,
        holders: Vec::new(),
    })
}

/// Parses `0100007F:270F`: the address as one or four words, each printed as a native integer; the
/// port as a number.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip: IpAddr = match ip.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let mut bytes = [0; 16];
            bytes.copy_from_slice(words.as_flattened());
            Ipv6Addr::from(bytes).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(all(test, target_endian = "little"))]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_each_family() {
        let v4 = "1390: 0100007F:270F 00000000:0000 07 00000100:00000300 00:00000000 00000000 \
                  1000 0 42211 2 00000000f55ff4d2 7        ";
        let expected = SocketEntry {
            local: "127.0.0.1:9999".parse().unwrap(),
            remote: None,
            uid: 1000,
            user: None,
            inode: 42_211,
            receive_queue: 0x300,
            send_queue: 0x100,
            drops: 7,
            holders: Vec::new(),
        };
        assert_eq!(entry(v4), Some(expected));

        let v6 = "9: B80D0120000000000000000001000000:0035 0000000000000000FFFF00000100007F:0009 \
                  01 00000000:00000000 00:00000000 00000000 0 0 1 2 0 0";
        let v6 = entry(v6).unwrap();
        assert_eq!(v6.local, "[2001:db8::1]:53".parse().unwrap());
        assert_eq!(v6.remote, Some("[::ffff:127.0.0.1]:9".parse().unwrap()));
    }

    #[test]
    fn what_is_no_line_is_none() {
        let line = "1: 0100007F:270F 00000000:0000 07 0:0 00:0 0 0 0 1 2 0 0";
        assert!(entry(line).is_some());
        let shorter = |end| entry(&line[..end]).is_none();
        assert!((0..line.len() - 1).all(shorter), "drops are missing");
        for bad in
            [":270F", "0100007F", "0100007:270F", "0100007F:10000", "é100007:1", "xx00007F:1"]
        {
            assert_eq!(address(bad), None, "{bad}");
        }
    }
}
