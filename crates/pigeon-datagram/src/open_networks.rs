//! Whom a hub and the small services trust unless told otherwise.

/// Networks from which everyone may join unless told otherwise: loopback, private (RFC 1918),
/// link-local (RFC 3927, RFC 4291 section 2.5.6) and unique local (RFC 4193).
pub const DEFAULT_OPEN: [&str; 8] = [
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "fe80::/10",
    "fc00::/7",
];
