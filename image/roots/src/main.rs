//! Prints the root certificates that pacer falls back to, as one PEM file.
//!
//! The image's `/etc/ssl/certs/ca-certificates.crt` is this and not the bundle of the machine that built it,
//! which may hold a company's own certificates. So the file is pinned by `Cargo.lock` and is the same everywhere.

use std::io::{self, Write};

use pem::{EncodeConfig, LineEnding, Pem};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

fn main() -> io::Result<()> {
    let roots: Vec<Pem> =
        TLS_SERVER_ROOT_CERTS.iter().map(|root| Pem::new("CERTIFICATE", root.to_vec())).collect();
    let text = pem::encode_many_config(&roots, EncodeConfig::new().set_line_ending(LineEnding::LF));
    io::stdout().lock().write_all(text.as_bytes())
}
