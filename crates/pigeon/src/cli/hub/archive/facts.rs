//! The hub's lasting state, such as names and bans, as facts of the log.

use pigeon_hub::{Keep, KeptKick, KeptName};
use pigeon_log::{AppendError, Fact, Key, Log, RoomSettings, Ticket};
use pigeon_proto::{Label, Name, RoomName};

/// Queues a state change for the writer.
pub(super) fn change(log: &Log, keep: &Keep) -> Result<Ticket, AppendError<()>> {
    let room =
        |room: &RoomName, slow| Fact::Room { room: room.clone(), settings: RoomSettings { slow } };
    match keep {
        Keep::Name(KeptName { grant, name, room, ip, author, resumes, is_free }) => {
            log.try_set(&Fact::Grant {
                grant: *grant,
                name: name.clone(),
                room: room.clone(),
                ip: *ip,
                author: *author,
                resumes: *resumes,
                is_free: *is_free,
            })
        }
        Keep::NameGone(grant) => log.try_remove(&Key::Grant(*grant)),
        Keep::Grants(last) => log.try_set(&Fact::Grants(*last)),
        Keep::Ban(banned) => log.try_set(&Fact::Ban(banned.to_string().into())),
        Keep::BanGone(banned) => log.try_remove(&Key::Ban(banned.to_string().into())),
        Keep::Kick(KeptKick { label, name, grant, ip, is_alone, until }) => {
            log.try_set(&Fact::Kick {
                label: label.as_str().into(),
                name: name.clone(),
                grant: *grant,
                ip: *ip,
                is_alone: *is_alone,
                until: *until,
            })
        }
        Keep::KickGone(label) => log.try_remove(&Key::Kick(label.as_str().into())),
        Keep::Mute(name) => log.try_set(&Fact::Mute { name: name.clone() }),
        Keep::MuteGone(name) => log.try_remove(&Key::Mute(name.clone())),
        Keep::Slow(name, time) => log.try_set(&room(name, Some(*time))),
        Keep::SlowGone(name) => log.try_remove(&Key::Room(name.clone())),
    }
}

/// Converts a fact of the log. `None` if it is not the hub's.
pub(super) fn keep_of(fact: &Fact) -> Option<Keep> {
    Some(match fact {
        Fact::ResumeSecret(_) | Fact::Place { .. } | Fact::Cluster { .. } => return None,
        Fact::Grant { grant, name, room, ip, author, resumes, is_free } => Keep::Name(KeptName {
            grant: *grant,
            name: name.clone(),
            room: room.clone(),
            ip: *ip,
            author: *author,
            resumes: *resumes,
            is_free: *is_free,
        }),
        Fact::Grants(last) => Keep::Grants(*last),
        Fact::Ban(banned) => Keep::Ban(banned.parse().ok()?),
        Fact::Kick { label, name, grant, ip, is_alone, until } => Keep::Kick(KeptKick {
            label: Label::parse(label)?,
            name: name.clone(),
            grant: *grant,
            ip: *ip,
            is_alone: *is_alone,
            until: *until,
        }),
        Fact::Mute { name } => Keep::Mute(Name::clone(name)),
        Fact::Room { room, settings } => Keep::Slow(room.clone(), settings.slow?),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use pigeon_log::Options;

    use super::super::Archive;
    use super::*;

    fn changes() -> Vec<Keep> {
        let name = |text: &str| Name::parse(text.as_bytes()).unwrap();
        let room = |text: &str| RoomName::parse(text.as_bytes()).unwrap();
        let kept = KeptName {
            grant: 9,
            name: name("狗哥"),
            room: room("Ops"),
            ip: "fe80::1".parse().unwrap(),
            author: Some(7),
            resumes: true,
            is_free: false,
        };
        vec![
            Keep::Grants(65_536),
            Keep::Name(kept),
            Keep::Ban("10.0.0.0/8".parse().unwrap()),
            Keep::Ban("0123456789abcdef0123456789abcdef".parse().unwrap()),
            Keep::Kick(KeptKick {
                label: Label::parse("10.0.0.7:5001").unwrap(),
                name: Some(name("狗哥")),
                grant: Some(9),
                ip: [10, 0, 0, 7].into(),
                is_alone: true,
                until: Duration::from_millis(1_700_000_000_123),
            }),
            Keep::Mute(name("loud")),
            Keep::Slow(room("Ops"), Duration::from_secs(2)),
        ]
    }

    #[test]
    fn what_is_kept_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Archive::open(folder.path(), Options::default(), &Arc::default()).unwrap();
        let (archive, secret) = open();
        changes().into_iter().for_each(|keep| archive.keep(keep));
        archive.keep(Keep::Name(KeptName { grant: 10, ..kept(&changes()[1]) }));
        archive.keep(Keep::NameGone(10));
        archive.settle();
        archive.close();
        let (archive, again) = open();
        assert_eq!(again, secret);
        let mut back: Vec<Keep> = archive.log.state().facts.iter().filter_map(keep_of).collect();
        let mut expected = changes();
        back.sort_by_key(|keep| format!("{keep:?}"));
        expected.sort_by_key(|keep| format!("{keep:?}"));
        assert_eq!(back, expected);
        for gone in [
            Keep::NameGone(9),
            Keep::BanGone("10.0.0.0/8".parse().unwrap()),
            Keep::BanGone("0123456789abcdef0123456789abcdef".parse().unwrap()),
            Keep::KickGone(Label::parse("10.0.0.7:5001").unwrap()),
            Keep::MuteGone(Name::parse("LOUD".as_bytes()).unwrap()),
            Keep::SlowGone(RoomName::parse(b"ops").unwrap()),
        ] {
            archive.keep(gone);
        }
        archive.settle();
        archive.close();
        let (archive, _) = open();
        let left: Vec<Keep> = archive.log.state().facts.iter().filter_map(keep_of).collect();
        assert_eq!(left, [Keep::Grants(65_536)]);
    }

    fn kept(keep: &Keep) -> KeptName {
        match keep {
            Keep::Name(kept) => kept.clone(),
            other => panic!("{other:?}"),
        }
    }
}
