//! A real etcd and a real kube-apiserver, on loopback.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use super::audit;
use super::certificates::{self, Authority, Certified};
use super::components::Components;
use super::crd;
use super::kept::Kept;
use super::kubeconfig;
use super::kubectl::Kubectl;
use super::namespace::Namespace;
use super::program::PATIENCE;

/// How often a start is tried again because somebody else took a port between its choice and its use.
const TRIES: usize = 5;

/// An API server with its etcd. Both end when this is dropped, and with the test process at the latest.
#[derive(Debug)]
pub(crate) struct Server {
    components: Components,
    folder: PathBuf,
    ports: Ports,
    /// Signs the serving certificates.
    authority: Mutex<Authority>,
    etcd: Mutex<Option<Kept>>,
    api: Mutex<Option<Kept>>,
}

/// Ports of loopback.
#[derive(Debug)]
struct Ports {
    api: u16,
    etcd: u16,
    etcd_peers: u16,
}

impl Server {
    /// The server of this test process, with the CRD, started by whoever asks first. Work in a [`Server::namespace`], and leave alone
    /// what belongs to all: a test that breaks things starts its [`Server::own`].
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Server, String>> = OnceLock::new();
        match SHARED.get_or_init(Self::start) {
            Ok(server) => server,
            Err(error) => panic!("{error}"),
        }
    }

    /// A server for one test, with the CRD, to break: about 4 s and 300 MiB.
    pub(crate) fn own() -> Self {
        Self::start().unwrap_or_else(|error| panic!("{error}"))
    }

    fn start() -> Result<Self, String> {
        let components = Components::find()?;
        let mut error = String::new();
        for _ in 0..TRIES {
            let server = Self::prepare(components.clone());
            server.start_etcd();
            match server.try_start_api_server() {
                Ok(()) => {
                    crd::install(&server.kubectl());
                    return Ok(server);
                }
                Err(fault) => error = fault,
            }
            if !error.contains("address already in use") {
                break;
            }
        }
        Err(error)
    }

    /// Everything that is to be there before the first process starts.
    fn prepare(components: Components) -> Self {
        let folder = tempfile::Builder::new().prefix("pacer-cluster-").tempdir().unwrap();
        // Its processes' keepers remove it.
        let folder = folder.keep();
        let ports = Ports { api: free_port(), etcd: free_port(), etcd_peers: free_port() };
        let authority = Mutex::new(Authority::new("pacer-tests serving"));
        let server =
            Self { components, folder, ports, authority, etcd: Mutex::default(), api: Mutex::default() };
        let clients = Authority::new("pacer-tests clients");
        let admin = clients.client("admin", "system:masters");
        server.write("client-ca.crt", &clients.pem());
        server.write("admin.crt", &admin.certificate);
        server.write("admin.key", &admin.key);
        let (private, public) = certificates::signing_key();
        server.write("service-accounts.key", &private);
        server.write("service-accounts.pub", &public);
        server.write(audit::POLICY, audit::POLICY_TEXT);
        server.write_serving_certificate();
        let user = serde_json::json!({
            "client-certificate": server.path("admin.crt"),
            "client-key": server.path("admin.key"),
        });
        let text = kubeconfig::text(&server.url(), &server.path("ca.crt"), &user, "default");
        server.write("kubeconfig", &text);
        server
    }

    fn write_serving_certificate(&self) {
        let authority = self.authority.lock().unwrap();
        let serving = authority.serving();
        self.write("ca.crt", &authority.pem());
        self.write("serving.crt", &serving.certificate);
        self.write("serving.key", &serving.key);
    }

    /// `kill -9` of the API server.
    pub(crate) fn kill_api_server(&self) {
        if let Some(api) = self.api.lock().unwrap().take() {
            api.kill();
        }
    }

    /// Starts the API server where it was before, and waits until it is ready. Running, it is killed first.
    pub(crate) fn restart_api_server(&self) {
        self.kill_api_server();
        self.try_start_api_server().unwrap_or_else(|error| panic!("{error}"));
    }

    /// `kill -9` of etcd. The API server stays and has no answers.
    pub(crate) fn kill_etcd(&self) {
        if let Some(etcd) = self.etcd.lock().unwrap().take() {
            etcd.kill();
        }
    }

    /// Starts etcd with the data it had, and waits until the API server is ready again.
    pub(crate) fn restart_etcd(&self) {
        self.kill_etcd();
        self.start_etcd();
        self.wait_until_ready().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Starts both where they were, after both were killed.
    pub(crate) fn restart(&self) {
        self.kill_etcd();
        self.start_etcd();
        self.restart_api_server();
    }

    /// Puts etcd's data back as it was when `change` began, and starts both. `change` ends with both running.
    pub(crate) fn undo(&self, change: impl FnOnce()) {
        let (data, backup) = (self.path("etcd"), self.path("backup"));
        self.kill_api_server();
        self.kill_etcd();
        fs::rename(&data, &backup).unwrap();
        let copied = Command::new("cp").arg("-R").args([&backup, &data]).status();
        assert!(copied.unwrap().success());
        self.restart();
        change();
        self.kill_api_server();
        self.kill_etcd();
        fs::remove_dir_all(&data).unwrap();
        fs::rename(&backup, &data).unwrap();
        self.restart();
    }

    /// Restarts the API server with a certificate signed by a new authority. Clients that trust the old one refuse it;
    /// the administrator's kubeconfig follows.
    pub(crate) fn rotate_authority(&self) {
        self.kill_api_server();
        *self.authority.lock().unwrap() = Authority::new("pacer-tests serving, renewed");
        self.write_serving_certificate();
        self.restart_api_server();
    }

    /// A new namespace whose name begins with `name`. It stays until the server goes.
    pub(crate) fn namespace(&self, name: &str) -> Namespace<'_> {
        Namespace::create(self, name)
    }

    /// `kubectl` of an administrator, in the namespace `default`.
    pub(crate) fn kubectl(&self) -> Kubectl {
        self.kubectl_with(&self.path("kubeconfig"))
    }

    /// `kubectl` with another kubeconfig.
    pub(crate) fn kubectl_with(&self, kubeconfig: &Path) -> Kubectl {
        Kubectl::new(self.components.kubectl(), kubeconfig, &self.path("kubectl-cache"))
    }

    /// Where the API server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports.api))
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address())
    }

    /// The authority of the serving certificate, as PEM.
    pub(crate) fn ca(&self) -> String {
        self.authority.lock().unwrap().pem()
    }

    /// The file with [`Server::ca`], rewritten when the authority is rotated.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.path("ca.crt")
    }

    /// A certificate for something that stands in for the API server.
    pub(crate) fn sign_serving(&self) -> Certified {
        self.authority.lock().unwrap().serving()
    }

    /// The process ids of etcd and the API server, as far as they run.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let processes = [&self.etcd, &self.api];
        processes.iter().filter_map(|process| process.lock().unwrap().as_ref().map(Kept::pid)).collect()
    }

    /// A file or folder in this server's folder, which goes with the server.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn start_etcd(&self) {
        let url = format!("http://127.0.0.1:{}", self.ports.etcd);
        let peers = format!("http://127.0.0.1:{}", self.ports.etcd_peers);
        let mut command = Kept::command(Some(&self.folder));
        command.arg(self.components.etcd()).arg("--unsafe-no-fsync");
        command.arg("--data-dir").arg(self.path("etcd"));
        command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
        command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
        command.arg(format!("--initial-cluster=default={peers}"));
        let etcd = Kept::spawn(command, self.log("etcd.log"));
        *self.etcd.lock().unwrap() = Some(etcd);
    }

    fn try_start_api_server(&self) -> Result<(), String> {
        let mut command = Kept::command(Some(&self.folder));
        command.arg(self.components.api_server());
        command.arg(format!("--etcd-servers=http://127.0.0.1:{}", self.ports.etcd));
        command.args(["--bind-address=127.0.0.1", &format!("--secure-port={}", self.ports.api)]);
        command.args(["--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount"]);
        command.args(["--service-cluster-ip-range=10.0.0.0/24", "--allow-privileged"]);
        command.arg("--service-account-issuer=https://kubernetes.default.svc");
        for (flag, file) in [
            ("--client-ca-file", "client-ca.crt"),
            ("--tls-cert-file", "serving.crt"),
            ("--tls-private-key-file", "serving.key"),
            ("--service-account-key-file", "service-accounts.pub"),
            ("--service-account-signing-key-file", "service-accounts.key"),
            ("--cert-dir", "certs"),
            ("--audit-policy-file", audit::POLICY),
            ("--audit-log-path", audit::LOG),
        ] {
            command.arg(flag).arg(self.path(file));
        }
        let api = Kept::spawn(command, self.log("kube-apiserver.log"));
        *self.api.lock().unwrap() = Some(api);
        self.wait_until_ready()
    }

    /// Polls `/readyz`, and a list, which asks etcd: `/readyz` remembers for a while that etcd was well. A process that
    /// ends meanwhile ends the wait.
    fn wait_until_ready(&self) -> Result<(), String> {
        const PAUSE: Duration = Duration::from_millis(100);
        let kubectl = self.kubectl();
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            let pages = ["--raw=/readyz", "--raw=/api/v1/namespaces?limit=1"];
            if pages.iter().all(|page| kubectl.run(&["get", page, "--request-timeout=5s"]).code == 0) {
                return Ok(());
            }
            for (process, name) in [(&self.etcd, "etcd"), (&self.api, "kube-apiserver")] {
                let mut process = process.lock().unwrap();
                if let Some(status) = process.as_mut().and_then(Kept::ended) {
                    return Err(format!("{name} ended ({status}){}", self.log_tails()));
                }
            }
            std::thread::park_timeout(PAUSE);
        }
        Err(format!("the API server does not become ready{}", self.log_tails()))
    }

    /// Opened to append, so that a restart adds to what was there.
    fn log(&self, name: &str) -> File {
        File::options().create(true).append(true).open(self.path(name)).unwrap()
    }

    /// The last lines of every log, for people.
    fn log_tails(&self) -> String {
        let mut tails = String::new();
        for name in ["etcd.log", "kube-apiserver.log"] {
            let log = fs::read(self.path(name)).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(12)..].join("\n");
            write!(tails, "\n--- {name}\n{tail}").unwrap();
        }
        tails
    }
}

/// A port that nobody listens on now.
///
/// It is outside the range from which the system takes ports for outgoing connections: while a server is down, no
/// client's connection may sit on its port, least of all one that by chance is connected to itself.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(15_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
