//! A PostgreSQL server of its own for a test: a new cluster in a temporary folder, gone with it.
//!
//! The server will not run as root, so root hands it to the user `postgres`. A shell holds it on a leash: when the
//! pipe to that shell closes, because the test is over or was killed, the server is stopped. What does not work ends
//! the test: without its server it has failed.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test without its server has failed")]

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;
use std::{fs, thread};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use tempfile::TempDir;

/// Who owns the databases of [`PostgresCluster::create_database`].
pub const POSTGRES_USER: &str = "cantle";
/// The password of every user that is created here; hard to write on purpose.
pub const POSTGRES_PASSWORD: &str = "p@ss: \\word";
const PATIENCE: Duration = Duration::from_secs(60);
/// Runs the server, and ends it when a line or the end of its input comes.
const LEASH: &str = r#""$@" & server=$!; read -r line; kill -QUIT "$server"; wait "$server""#;

/// A cluster and, unless it is stopped, its server.
#[derive(Debug)]
pub struct PostgresCluster {
    folder: TempDir,
    binaries: PathBuf,
    settings: Vec<String>,
    /// Where it listens on loopback.
    pub port: u16,
    server: Mutex<Option<Server>>,
}

#[derive(Debug)]
struct Server {
    shell: Child,
    leash: Option<ChildStdin>,
    log: Receiver<String>,
}

impl PostgresCluster {
    /// One server for all tests that leave it alone; it ends with the last of them.
    pub fn shared() -> Arc<Self> {
        static SHARED: LazyLock<Mutex<Weak<PostgresCluster>>> = LazyLock::new(Mutex::default);
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cluster) = shared.upgrade() {
            return cluster;
        }
        let cluster = Arc::new(Self::start(|_| Vec::new(), None));
        *shared = Arc::downgrade(&cluster);
        cluster
    }

    /// A server with settings, which may name files of its folder, and rules of who may connect.
    pub fn start(settings: impl FnOnce(&Path) -> Vec<String>, rules: Option<&str>) -> Self {
        let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        let binaries = binaries();
        own(folder.path());
        let password = folder.path().join("password");
        write_private(&password, "postgres");
        let data = folder.path().join("data");
        let initialized = as_postgres(&binaries.join("initdb"))
            .args(["--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .args(["--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile"])
            .arg(&password)
            .arg(&data)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(initialized.status.success(), "{}", String::from_utf8_lossy(&initialized.stderr));
        if let Some(rules) = rules {
            fs::write(data.join("pg_hba.conf"), format!("local all all trust\n{rules}\n")).unwrap();
        }
        let settings = settings(folder.path());
        let mut cluster = Self { folder, binaries, settings, port: 0, server: Mutex::new(None) };
        // Between the choice of a port and its use somebody else may take it.
        let started = (0..5).any(|_| {
            cluster.port = free_port();
            cluster.try_start()
        });
        assert!(started, "the server starts");
        cluster
    }

    /// Starts a stopped server, on the same port.
    pub fn restart(&self) {
        assert!(self.try_start(), "the server starts again");
    }

    /// Stops the server at once; whoever is connected is cut off.
    pub fn stop(&self) {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Its folder, with the socket of the same port.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connection of the superuser.
    pub async fn admin(&self, database: &str) -> PgConnection {
        PgConnectOptions::new_without_pgpass()
            .host(self.folder.path().to_str().unwrap())
            .port(self.port)
            .username("postgres")
            .database(database)
            .connect()
            .await
            .unwrap()
    }

    /// Runs SQL as the superuser.
    pub async fn run(&self, database: &str, sql: &str) {
        let mut connection = self.admin(database).await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        sqlx::Connection::close(connection).await.unwrap();
    }

    /// A new, empty database that belongs to [`POSTGRES_USER`].
    pub async fn create_database(&self, name: &str) {
        self.create_user(POSTGRES_USER).await;
        self.run("postgres", &format!("CREATE DATABASE {name} OWNER {POSTGRES_USER}")).await;
    }

    /// A user who may log in with [`POSTGRES_PASSWORD`], if there is none of that name.
    pub async fn create_user(&self, name: &str) {
        let password = POSTGRES_PASSWORD.replace('\'', "''");
        let sql = format!(
            "DO $$ BEGIN CREATE ROLE {name} LOGIN PASSWORD '{password}'; \
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        );
        self.run("postgres", &sql).await;
    }

    fn try_start(&self) -> bool {
        let mut shell = Command::new("sh");
        shell.args(["-c", LEASH, "sh"]);
        let server = as_postgres(&self.binaries.join("postgres"));
        shell
            .arg(server.get_program())
            .args(server.get_args())
            .arg("-D")
            .arg(self.folder.path().join("data"));
        let socket = format!("unix_socket_directories={}", self.folder.path().display());
        let port = format!("port={}", self.port);
        let fixed = [&socket, &port, "listen_addresses=127.0.0.1", "fsync=off", "max_connections=200"];
        for setting in fixed.into_iter().chain(self.settings.iter().map(String::as_str)) {
            shell.args(["-c", setting]);
        }
        let mut shell = shell
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let leash = shell.stdin.take();
        let log = lines(shell.stderr.take().unwrap());
        let server = Server { shell, leash, log };
        let mut seen = String::new();
        loop {
            match server.log.recv_timeout(PATIENCE) {
                Ok(line) if line.contains("database system is ready to accept connections") => break,
                Ok(line) if line.contains("Address already in use") => return false,
                Ok(line) => seen = seen + &line + "\n",
                Err(_) => panic!("the server did not start:\n{seen}"),
            }
        }
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
        true
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.leash.take());
        // The log ends when the last process of the server has.
        while self.log.recv_timeout(PATIENCE).is_ok() {}
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

impl Drop for PostgresCluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Writes a file that the server may read, and nobody else.
pub fn write_private(path: &Path, content: &str) {
    fs::File::create(path).unwrap().write_all(content.as_bytes()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    own(path);
}

fn lines(input: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(input).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn postgres_id(flag: &str) -> u32 {
    let output = Command::new("id").args([flag, "postgres"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().expect("there is a user postgres")
}

fn own(path: &Path) {
    if is_root() {
        chown(path, Some(postgres_id("-u")), Some(postgres_id("-g"))).unwrap();
    }
}

fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

/// The newest version that Debian's packages have put there, or where `PG_BIN` says.
fn binaries() -> PathBuf {
    if let Some(folder) = std::env::var_os("PG_BIN") {
        return folder.into();
    }
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .expect("Debian's package postgresql is installed, or PG_BIN names the folder of initdb")
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    found.sort();
    found.pop().expect("a version of PostgreSQL is installed").1
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
