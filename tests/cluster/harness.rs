//! The harness does what its documentation says.

use crate::support::server::Server;

#[test]
fn the_shared_server_answers() {
    let version = Server::shared().kubectl().run(&["version", "-o", "json"]).succeeds().json();
    assert_eq!(version["serverVersion"]["major"], "1", "{version}");
}
