//! The page's files, in the binary as gzip.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use flate2::read::GzDecoder;
use ring::digest::{SHA256, digest};

use crate::http::{Request, Response};

/// Each file's name and its bytes as gzip.
const FILES: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The page's files.
#[derive(Debug)]
pub struct Assets {
    files: BTreeMap<&'static str, File>,
    /// A folder read instead, at each request.
    folder: Option<PathBuf>,
}

#[derive(Debug)]
struct File {
    gzip: &'static [u8],
    etag: Box<str>,
}

impl Assets {
    /// The files in the binary; or those of a folder, for work on the page.
    pub fn new(folder: Option<PathBuf>) -> Assets {
        let file = |gzip: &'static [u8]| File { gzip, etag: etag(gzip) };
        Assets { files: FILES.iter().map(|(name, gzip)| (*name, file(gzip))).collect(), folder }
    }

    /// The file of a path.
    pub(crate) fn get(&self, request: &Request) -> Option<Response> {
        let name = match &*request.path {
            "/" => "index.html",
            "/operator" => "operator.html",
            path => path.strip_prefix("/assets/").unwrap_or(&path[1..]),
        };
        if let Some(folder) = &self.folder {
            let is_inside =
                Path::new(name).components().all(|it| matches!(it, Component::Normal(_)));
            let bytes = std::fs::read(folder.join(name)).ok().filter(|_| is_inside)?;
            return Some(Response::of(content_type(name), bytes));
        }
        let (&name, File { gzip, etag }) = self.files.get_key_value(name)?;
        let content_type = content_type(name);
        if request.has(etag) {
            let response = Response::new(304, content_type, Bytes::new());
            return Some(response.header("ETag", etag).header("Vary", "Accept-Encoding"));
        }
        let response = match request.takes_gzip {
            true => Response::of(content_type, *gzip).header("Content-Encoding", "gzip"),
            false => {
                let mut bytes = Vec::new();
                GzDecoder::new(*gzip).read_to_end(&mut bytes).ok()?;
                Response::of(content_type, bytes)
            }
        };
        Some(response.header("ETag", etag).header("Vary", "Accept-Encoding"))
    }
}

fn etag(bytes: &[u8]) -> Box<str> {
    let hash = digest(&SHA256, bytes);
    let digits: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"").into()
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("webmanifest") => "application/manifest+json",
        Some("json") => "application/json",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> Request {
        Request { path: path.into(), ..Request::default() }
    }

    #[test]
    fn files_come_packed_or_not_and_once() {
        let assets = Assets::new(None);
        let plain = assets.get(&request("/")).unwrap();
        assert!(plain.body.starts_with(b"<!doctype html>") || plain.body.starts_with(b"<!DOCTYPE"));
        assert_eq!(plain.content_type, "text/html; charset=utf-8");
        let packed = Request { takes_gzip: true, ..request("/index.html") };
        let packed = assets.get(&packed).unwrap();
        assert!(packed.headers.contains("Content-Encoding: gzip\r\n"));
        assert!(packed.body.starts_with(&[0x1f, 0x8b]));
        let etag = packed.headers.split("ETag: ").nth(1).unwrap().split('\r').next().unwrap();
        let again = Request { etags: Some(etag.into()), ..request("/") };
        assert_eq!(assets.get(&again).unwrap().status, 304);
    }

    #[test]
    fn nothing_beside_the_page_is_served() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("page");
        for assets in [Assets::new(None), Assets::new(Some(folder))] {
            for path in ["/../Cargo.toml", "//etc/passwd", "/./index.html", "/nothing", "/assets/"]
            {
                assert_eq!(assets.get(&request(path)), None, "{path}");
            }
            assert!(assets.get(&request("/assets/index.html")).is_some());
        }
    }
}
