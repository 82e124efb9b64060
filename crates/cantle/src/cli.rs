//! The command line: what can be said to `cantle`, and nothing of what is done then.
//!
//! The flags follow Canton's own command line where it has one; the operator's contract lists them.

pub(crate) mod topology;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use cantle_kms_server::Latency;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Ledger nodes that keep their private keys in AWS KMS.
#[derive(Debug, Parser)]
#[command(name = "cantle", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    before: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// The global flags, those before the command's name and those after it together: lists are joined,
    /// of a single value the later one counts.
    pub(crate) fn global(&self) -> Global {
        let (before, after) = (&self.before, self.command.after());
        let log_file_name = after.log_file_name.clone().or_else(|| before.log_file_name.clone());
        Global {
            config: [before.config.as_slice(), &after.config].concat(),
            overrides: [before.overrides.as_slice(), &after.overrides].concat(),
            data_dir: after.data_dir.clone().or_else(|| before.data_dir.clone()),
            log_level: after
                .log_level
                .or(before.log_level)
                .or_else(|| self.command.usual_log_level(log_file_name.as_deref())),
            log_file_name,
            kms_log_file_name: after.kms_log_file_name.clone().or_else(|| before.kms_log_file_name.clone()),
            no_tty: before.no_tty || after.no_tty,
            json: before.json || after.json,
        }
    }
}

/// Flags that every command takes, before or after its name.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// A configuration file in HOCON; may be given several times, later files win
    #[arg(short, long = "config", value_name = "FILE")]
    pub(crate) config: Vec<PathBuf>,
    /// One configuration value; may be given several times, wins over files
    #[arg(short = 'C', value_name = "PATH=VALUE", value_parser = parse_override)]
    pub(crate) overrides: Vec<(String, String)>,
    /// Where nodes without a configured storage keep their data [default: cantle-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// How much is logged [default: info; warn for demo and sandbox, unless into a file]
    #[arg(long, value_enum, ignore_case = true)]
    log_level: Option<LogLevel>,
    /// Logs into this file; warnings and errors still go to stderr
    #[arg(long, value_name = "FILE")]
    pub(crate) log_file_name: Option<PathBuf>,
    /// Writes the audit log of KMS requests into this file instead of the log
    #[arg(long, value_name = "FILE", env = "KMS_LOG_FILE_NAME")]
    pub(crate) kms_log_file_name: Option<PathBuf>,
    /// No colours, no line editing
    #[arg(long)]
    pub(crate) no_tty: bool,
    /// Results as JSON, where a command prints results
    #[arg(long)]
    pub(crate) json: bool,
}

impl Global {
    /// Where nodes without a configured storage keep their data.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| PathBuf::from("cantle-data"))
    }

    /// The same flags with the nodes' data in `folder`.
    pub(crate) fn in_folder(&self, folder: &Path) -> Self {
        Self { data_dir: Some(folder.to_owned()), ..self.clone() }
    }

    /// How much is logged.
    pub(crate) fn log_level(&self) -> LogLevel {
        self.log_level.unwrap_or(LogLevel::Info)
    }
}

/// A command's own arguments, and the global ones after its name.
#[derive(Args, Debug)]
pub(crate) struct With<T: Args> {
    #[command(flatten)]
    pub(crate) own: T,
    #[command(flatten)]
    global: Global,
}

/// For a command without arguments of its own.
#[derive(Args, Debug)]
pub(crate) struct Nothing {}

/// Least severe level that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// Errors alone
    Error,
    /// And warnings
    Warn,
    /// And what happens
    Info,
    /// And how
    Debug,
    /// And everything else
    Trace,
    /// Nothing
    Off,
}

impl LogLevel {
    /// The level's name in a `tracing` filter.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
            Self::Off => "off",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs everything on loopback in a temporary folder, shows it, and exits
    Demo(With<Nothing>),
    /// The same as demo, but stays up until stopped, with a page that shows what happens
    Sandbox(With<Sandbox>),
    /// Runs the configured nodes until stopped
    Daemon(With<Bootstrap>),
    /// An interactive console, with the configured nodes or over the admin API of running ones
    Console(With<Console>),
    /// Runs the configured nodes and a script, then exits with the script's status
    Run(With<Run>),
    /// Reads and validates the configuration; no network, no key is made
    Check(With<Check>),
    /// Asks each node's KMS whether the node will find there what it needs
    Doctor(With<Doctor>),
    /// Prints the least IAM policy for the configuration
    IamPolicy(With<IamPolicy>),
    /// Writes files for consoles elsewhere
    Generate(With<Generate>),
    /// Moves a stopped node's keys into AWS KMS, or back, with the same identity
    Migrate(Migrate),
    /// Lists each node's keys, or KMS keys that may be left without an owner; ends KMS keys that the node made
    Keys(With<Keys>),
    /// Copies a node's database to a file, also while the node runs
    Backup(With<Backup>),
    /// Puts a backup in the place of a stopped node's database
    Restore(With<Restore>),
    /// Prepares, signs and assembles topology transactions, for a namespace key that is kept away from the node
    Topology(Box<topology::Topology>),
    /// Asks running nodes how they are
    Status(With<Remote>),
    /// Runs AWS KMS on loopback, for development and tests
    KmsServer(With<Box<KmsServer>>),
    /// Prints a completion script for a shell
    Completions(With<Completions>),
}

impl Command {
    /// What is logged when nothing is said about it: those that tell of their progress log no more than warnings
    /// between its lines.
    fn usual_log_level(&self, log_file_name: Option<&Path>) -> Option<LogLevel> {
        let tells = matches!(self, Self::Demo(_) | Self::Sandbox(_));
        (tells && log_file_name.is_none()).then_some(LogLevel::Warn)
    }

    fn after(&self) -> &Global {
        match self {
            Self::Demo(with) => &with.global,
            Self::Sandbox(with) => &with.global,
            Self::Daemon(with) => &with.global,
            Self::Console(with) => &with.global,
            Self::Run(with) => &with.global,
            Self::Check(with) => &with.global,
            Self::Doctor(with) => &with.global,
            Self::IamPolicy(with) => &with.global,
            Self::Generate(with) => &with.global,
            Self::Migrate(migrate) => match &migrate.to {
                MigrateTo::ToKms(with) => &with.global,
                MigrateTo::FromKms(with) => &with.global,
            },
            Self::Keys(with) => &with.global,
            Self::Backup(with) => &with.global,
            Self::Restore(with) => &with.global,
            Self::Topology(topology) => topology.step.after(),
            Self::Status(with) => &with.global,
            Self::KmsServer(with) => &with.global,
            Self::Completions(with) => &with.global,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Sandbox {
    /// The port of the page, on 127.0.0.1 [default: the system chooses one]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub(crate) port: u16,
}

#[derive(Args, Debug)]
pub(crate) struct Migrate {
    #[command(subcommand)]
    pub(crate) to: MigrateTo,
}

/// The two ways.
#[derive(Debug, Subcommand)]
pub(crate) enum MigrateTo {
    /// Imports the private keys of a node with provider jce into its KMS
    ToKms(With<ToKms>),
    /// Takes the private keys of a node with provider kms back from the export file
    FromKms(With<FromKms>),
}

#[derive(Args, Debug)]
pub(crate) struct ToKms {
    /// The node, stopped unless for --prepare and --dry-run; -c names the configuration it is to have afterwards
    #[arg(long, value_name = "NAME")]
    pub(crate) node: String,
    /// Prints what would happen; nothing is written, and the KMS is not asked
    #[arg(long, conflicts_with_all = ["export", "yes", "prepare"])]
    pub(crate) dry_run: bool,
    /// Does everything before the switch beside the running node, so that the switch takes a moment
    #[arg(long, conflicts_with = "yes")]
    pub(crate) prepare: bool,
    /// The KMS has no keys of ECC_NIST_EDWARDS25519: new keys take the place of Ed25519 keys
    #[arg(long)]
    pub(crate) rotate_ed25519: bool,
    /// Where the private keys are kept, encrypted under a passphrase, before they are erased
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
    /// The passphrase, in a file's first line [default: CANTLE_EXPORT_PASSPHRASE, or asked for]
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Confirms that the node is switched and its private keys are erased
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct FromKms {
    /// The node, which must be stopped; -c names the configuration it is to have afterwards
    #[arg(long, value_name = "NAME")]
    pub(crate) node: String,
    /// The file that to-kms wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) export: PathBuf,
    /// The passphrase, in a file's first line [default: CANTLE_EXPORT_PASSPHRASE, or asked for]
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Confirms that the node is switched
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Backup {
    /// The node
    #[arg(long, value_name = "NAME")]
    pub(crate) node: String,
    /// The new file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// The node, which must be stopped
    #[arg(long, value_name = "NAME")]
    pub(crate) node: String,
    /// What `cantle backup` wrote
    #[arg(value_name = "FILE")]
    pub(crate) backup: PathBuf,
    /// Keeps the database that is there under a name with the time, and puts the backup in its place
    #[arg(long)]
    pub(crate) replace: bool,
    /// Confirms for a sequencer that all members of its domain are restored to the same time or before it
    #[arg(long)]
    pub(crate) whole_domain: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Generate {
    /// What to write
    #[arg(value_enum)]
    pub(crate) what: Generated,
}

/// What can be generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Generated {
    /// `remote-NAME.conf` for each configured node, into the working directory
    RemoteConfig,
}

#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell to complete in
    pub(crate) shell: Shell,
}

#[derive(Args, Debug)]
pub(crate) struct Bootstrap {
    /// A script to run once the nodes are up
    #[arg(long, value_name = "SCRIPT")]
    pub(crate) bootstrap: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Console {
    #[command(flatten)]
    pub(crate) bootstrap: Bootstrap,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Args, Debug)]
pub(crate) struct Remote {
    /// The admin API of a running node; may be given several times
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) remote: Vec<String>,
    /// A file with the token that they ask for
    #[arg(long, value_name = "FILE", requires = "remote")]
    pub(crate) token_file: Option<PathBuf>,
}

/// Flags of `cantle keys`.
#[derive(Args, Debug)]
pub(crate) struct Keys {
    #[command(flatten)]
    pub(crate) remote: Remote,
    /// Lists KMS keys that exist, or may, and that the node does not have: their creation was interrupted
    #[arg(long, conflicts_with_all = ["schedule_deletion", "cancel_deletion"])]
    pub(crate) orphans: bool,
    /// Forgets one of them, by its id, once you have registered or deleted the key in AWS KMS, or seen that there is none
    #[arg(long, value_name = "ID", requires = "orphans")]
    pub(crate) forget: Option<String>,
    /// Has AWS KMS delete a key that the node made and does not use; asks the running node
    #[arg(
        long,
        value_name = "FINGERPRINT",
        conflicts_with = "cancel_deletion",
        requires = "pending_window_days"
    )]
    pub(crate) schedule_deletion: Option<String>,
    /// How many days the deletion waits and can be taken back
    #[arg(long, value_name = "DAYS", requires = "schedule_deletion", value_parser = clap::value_parser!(u32).range(7..=30))]
    pub(crate) pending_window_days: Option<u32>,
    /// Takes a deletion back and enables the key; asks the running node
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) cancel_deletion: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Run {
    /// The script
    pub(crate) script: PathBuf,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Only reads and resolves, any HOCON document, and prints it as JSON with sorted keys
    #[arg(long)]
    pub(crate) resolved: bool,
    /// Prints passwords and secrets as they are, not as `[REDACTED]`
    #[arg(long, requires = "resolved")]
    pub(crate) show_secrets: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// Makes a trial key where nodes make keys, which stays and costs about 1 USD a month until it is deleted
    #[arg(long)]
    pub(crate) create: bool,
    /// Examines what cantle migrate to-kms needs; with --create it imports a trial key as a migration would
    #[arg(long)]
    pub(crate) migration: bool,
}

#[derive(Args, Debug)]
pub(crate) struct IamPolicy {
    /// How the policy is written
    #[arg(long, value_enum, default_value_t = PolicyFormat::Json)]
    pub(crate) format: PolicyFormat,
    /// The account of the keys, 12 digits; without it those of every account are meant
    #[arg(long, value_parser = parse_account)]
    pub(crate) account: Option<String>,
    /// The name or ARN of the role that the policy is for
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// Lets the node list keys, to find those that a crash left behind
    #[arg(long)]
    pub(crate) reconcile: bool,
    /// Adds what cantle migrate to-kms needs for nodes whose private keys are still in their databases
    #[arg(long)]
    pub(crate) migration: bool,
    /// A key that will be registered, by its key id or key ARN; may be given several times
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Vec<String>,
    /// The keys of all nodes are registered, those of sequencers and mediators too
    #[arg(long)]
    pub(crate) pre_generated: bool,
}

/// How a policy is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyFormat {
    /// A policy document
    Json,
    /// The same for Terraform
    Terraform,
}

/// Flags of `cantle kms-server`.
#[derive(Args, Debug)]
pub(crate) struct KmsServer {
    /// Where to listen; port 0 lets the system choose
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:4599")]
    pub(crate) address: SocketAddr,
    /// Keeps keys in this file; without it they are gone at the end
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// The Region that it plays when the request's signature names none
    #[arg(long, default_value = "us-east-1")]
    pub(crate) region: String,
    /// The account of callers that the credentials file gives none
    #[arg(long, default_value = "000000000000")]
    pub(crate) account: String,
    /// Who may call, and what each is allowed: JSON or an AWS shared credentials file
    #[arg(long, value_name = "FILE", conflicts_with = "no_auth")]
    pub(crate) credentials: Option<PathBuf>,
    /// Checks neither signatures nor permissions
    #[arg(long)]
    pub(crate) no_auth: bool,
    /// How long each answer is held back: `50ms`, a range `20ms..80ms`, or `p50=10ms,p99=80ms`
    #[arg(long, value_name = "DURATION")]
    pub(crate) latency: Option<Latency>,
    /// Whether AWS's request quotas are kept
    #[arg(long, value_enum, default_value_t = RateLimits::Off)]
    pub(crate) rate_limits: RateLimits,
    /// Faults to play, by operation and count: JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) faults: Option<PathBuf>,
    /// Appends a record of each request, as CloudTrail would have it, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub(crate) audit: Option<PathBuf>,
    /// How long a new key stays unknown, as with AWS's eventual consistency
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) replication_delay: Option<Duration>,
}

/// Whose request quotas `kms-server` keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RateLimits {
    /// AWS's documented quotas: beyond them ThrottlingException
    Aws,
    /// None
    Off,
}

fn parse_override(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((path, value)) if !path.trim().is_empty() => Ok((path.trim().to_owned(), value.to_owned())),
        _ => {
            Err("expected PATH=VALUE, such as canton.participants.participant1.crypto.provider=kms"
                .to_owned())
        }
    }
}

fn parse_account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("expected the 12 digits of an AWS account".to_owned())
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(Latency::Fixed(duration)) => Ok(duration),
        _ => Err("expected a duration, such as 500ms or 2s".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_are_taken_before_and_after_the_command() {
        let cli = Cli::try_parse_from(["cantle", "-c", "a.conf", "check", "-c", "b.conf", "-C", "x.y=z=1"])
            .unwrap();
        let global = cli.global();
        assert_eq!(global.config, [PathBuf::from("a.conf"), PathBuf::from("b.conf")]);
        assert_eq!(global.overrides, [("x.y".to_owned(), "z=1".to_owned())]);
        assert_eq!(global.log_level(), LogLevel::Info);
    }

    #[test]
    fn commands_that_tell_of_their_progress_log_warnings_alone_unless_told_otherwise() {
        let level = |arguments: &[&str]| Cli::try_parse_from(arguments).unwrap().global().log_level();
        assert_eq!(level(&["cantle", "demo"]), LogLevel::Warn);
        assert_eq!(level(&["cantle", "sandbox", "--log-level", "debug"]), LogLevel::Debug);
        assert_eq!(level(&["cantle", "--log-file-name", "log", "sandbox"]), LogLevel::Info);
        assert_eq!(level(&["cantle", "daemon"]), LogLevel::Info);
    }

    #[test]
    fn an_override_without_a_value_says_what_is_expected() {
        let error = Cli::try_parse_from(["cantle", "check", "-C", "x.y"]).unwrap_err().to_string();
        assert!(error.contains("PATH=VALUE"), "{error}");
    }
}
