//! What the arguments of `pigeon hub` ask for: the hub's configuration, its data folder, and the
//! settings of its links.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use clap::parser::ValueSource;
use pigeon_hub::{Config, Door, History, PerOrigin, Rate};
use pigeon_log::Options;
use pigeon_net::{Interfaces, Socket, Waker};
use pigeon_proto::Format;

use super::archive::Archive;
use super::args::Args;
use super::password::{Given, Password};
use super::{cluster, ipmsg, page, searchers, secure};
use crate::base::data;
use crate::base::endpoint::ListenAddress;
use crate::base::networks::source_rules;
use crate::base::quantity::{BytesPerSecond, PerSecond};
use crate::base::random;
use crate::base::status::UsageError;
use crate::base::switch::Switch;
use crate::words::say;

impl Args {
    pub(super) fn password(&self) -> anyhow::Result<(Option<Password>, Vec<String>)> {
        let given = Given {
            password: self.password.as_ref(),
            file: self.password_file.as_deref(),
            origins: self.password_origins,
            config: self.config.as_deref(),
        };
        given.choose()
    }

    /// Which messages are kept, if any.
    pub(super) fn history(&self) -> Option<History> {
        let doors = self.doors();
        let is_fixed = doors.first().is_some_and(|door| door.listen.port != 0);
        let has_lines =
            doors.iter().any(|door| door.door(self.format.into()).format != Format::Raw);
        let wanted = match self.history {
            None => (is_fixed || self.data.is_some()) && has_lines,
            Some(switch) => switch == Switch::On,
        };
        // Raw data is kept on request only: it may be a video.
        let keeps_raw = self.history.is_some();
        wanted.then_some(History { backlog: self.backlog, keeps_raw })
    }

    /// Opens the persistent state. `None` if there is none: a port chosen by the system names no
    /// folder, or no folder is available and none was requested.
    ///
    /// Otherwise a missing folder is an error.
    pub(super) fn archive(
        &self,
        waker: &Arc<OnceLock<Waker>>,
    ) -> anyhow::Result<Result<(Archive, [u8; 16]), String>> {
        let first = self.doors().first().map(|door| door.listen);
        let is_asked = self.data.is_some() || self.history == Some(Switch::On);
        let is_fixed = first.is_some_and(|first| first.port != 0);
        if !is_asked && !is_fixed {
            return Ok(Err(say!("hub-kept-port")));
        }
        let first = first.map_or_else(String::new, |first| first.to_string());
        let folder = match data::folder(self.data.as_deref(), &first) {
            Ok(folder) => folder,
            Err(error) if is_asked => return Err(error),
            Err(error) => return Ok(Err(error.root_cause().to_string())),
        };
        let options = Options {
            keep: self.keep.0,
            keep_size: Some(self.keep_size as u64),
            ..Options::default()
        };
        Archive::open(&folder, options, waker).map(Ok)
    }

    /// The address for members with a key, given the bound address of the first socket.
    pub(super) fn secure(&self, first: SocketAddr) -> Option<ListenAddress> {
        let listen = self.doors().first()?.listen;
        let port = match self.secure {
            secure::SecurePort::Off => return None,
            secure::SecurePort::Port(port) => port,
            secure::SecurePort::Next => first.port().checked_add(1)?,
        };
        Some(ListenAddress { port, ..listen })
    }

    /// The settings of the IP Messenger link, if enabled.
    pub(super) fn ipmsg(&self) -> Result<Option<ipmsg::Settings>, UsageError> {
        let (scan, legacy) = (self.ipmsg_scan.clone(), self.ipmsg_encoding);
        match self.ipmsg {
            None if scan.is_some() => Err(UsageError(say!("hub-ipmsg-scan"))),
            address => Ok(address.map(|address| ipmsg::Settings { address, scan, legacy })),
        }
    }

    /// The settings of the page, if enabled.
    pub(super) fn page(&self) -> anyhow::Result<Option<page::Settings>> {
        let is_more = self.page_certificate.is_some() || !self.page_name.is_empty();
        let Some(address) = self.page else {
            return match is_more {
                true => Err(UsageError(say!("hub-page-missing")).into()),
                false => Ok(None),
            };
        };
        let certificate = self.page_certificate.as_deref().map(page::certificate).transpose()?;
        let (names, metrics) = (self.page_name.clone(), self.metrics);
        Ok(Some(page::Settings { address, certificate, names, metrics }))
    }

    /// The settings of the cluster, if there is one, and warnings.
    pub(super) fn cluster(&self) -> anyhow::Result<(Option<cluster::Settings>, Vec<String>)> {
        let password = self.cluster_password.as_ref();
        let [brokers, secret, name] = self.cluster_origins;
        let is_more = matches!(name, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
            || self.cluster_user.is_some()
            || password.is_some()
            || self.cluster_credentials.is_some()
            || self.cluster_authority.is_some();
        if self.cluster.is_empty() {
            return match is_more {
                true => Err(UsageError(say!("hub-cluster-missing")).into()),
                false => Ok((None, Vec::new())),
            };
        }
        if self.history().is_none() {
            return Err(UsageError(say!("hub-cluster-without-history")).into());
        }
        let settings = cluster::Settings::new(
            self.cluster.clone(),
            self.cluster_name.clone(),
            (self.cluster_user.clone(), password.cloned().map(Password::into_inner)),
            self.cluster_credentials.as_deref(),
            self.cluster_authority.clone(),
            (self.keep.0, self.keep_size as u64),
        )?;
        let is_seen = |origin| origin == Some(ValueSource::CommandLine);
        let is_told = password.is_some() && is_seen(secret)
            || settings.has_password_in_address() && is_seen(brokers);
        let warning = is_told.then(|| say!("hub-cluster-on-command-line"));
        Ok((Some(settings), warning.into_iter().collect()))
    }
}

/// What the hub is made with. Its secret and what it keeps depend on the data folder, which is opened
/// later.
pub(super) fn config(
    args: &Args,
    doors: Vec<Door>,
    password: Option<Password>,
    sockets: &[Socket],
    interfaces: &Interfaces,
    interactive: bool,
) -> anyhow::Result<Config> {
    let bound = || sockets.iter().map(Socket::local_addr);
    let discovery = match args.discoverable {
        Switch::On => searchers::answer(sockets)?,
        Switch::Off => None,
    };
    let mut config = Config {
        doors,
        sources: source_rules(&args.open, bound(), interfaces),
        name: args.name.clone(),
        encoding: args.encoding,
        discovery,
        hash_keys: random::hash_keys()?,
        run: u128::from_be_bytes(random::bytes()?),
        report_messages: args.messages.map_or(interactive, |switch| switch == Switch::On),
        ..Config::default()
    };
    limit(args, password, &mut config);
    Ok(config)
}

/// Applies the settings that can change at run time.
pub(super) fn limit(args: &Args, password: Option<Password>, config: &mut Config) {
    let defaults = Config::default();
    config.timeout = args.timeout;
    config.sources.open = args.open.0.clone();
    config.password = password.map(Password::into_inner);
    config.max_members = args.max_members as usize;
    config.max_per_room = args.max_per_room.map(|n| n as usize);
    config.max_per_address = args.max_per_address.map(|n| n as usize).or(defaults.max_per_address);
    config.loopback_counts = args.max_per_address.is_some();
    config.rate = rates(defaults.rate, args.rate, args.rate_bytes);
    config.hub_rate = rates(defaults.hub_rate, args.hub_rate, args.hub_rate_bytes);
    config.work = args.work;
    config.max_text = args.max_text;
    config.notices_up_to = args.notices_up_to;
    config.language = args.language();
}

/// A given rate applies to all origins.
fn rates(
    defaults: PerOrigin<Rate>,
    messages: Option<PerSecond>,
    bytes: Option<BytesPerSecond>,
) -> PerOrigin<Rate> {
    let one = |rate: Rate| Rate {
        messages: messages.map_or(rate.messages, |given| given.0),
        bytes: bytes.map_or(rate.bytes, |given| given.0),
    };
    PerOrigin {
        loopback: one(defaults.loopback),
        open: one(defaults.open),
        untrusted: one(defaults.untrusted),
    }
}
