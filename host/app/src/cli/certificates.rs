//! `wasmote certificates`: certificates for tests, made from an authority.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args as ClapArgs, Subcommand};
use wasmote_fleet::certificates::{Authority, Pair, Validity, check_host};
use wasmote_fleet::config::identity::names::{DeviceName, GroupNames};
use wasmote_fleet::config::identity::options::IdentityOptions;
use wasmote_fleet::config::options::subset::{Names, Subset};
use wasmote_fleet::printable::Printable;
use wasmote_fleet::term::to_stdout;

use super::Failure;
use crate::exit::Exit;

/// Help text before the flags.
pub const EXAMPLES: &str = "\
Examples:
  wasmote certificates authority --out pki
  wasmote certificates server --ca pki/ca.crt --ca-key pki/ca.key --host localhost --out pki
  wasmote certificates devices --ca pki/ca.crt --ca-key pki/ca.key -n 5000 --name 'sn-{index:06}' --out devices
  wasmote certificates revoke --ca pki/ca.crt --ca-key pki/ca.key --out pki/crl.pem devices/sn-000007.crt
  wasmote run sensor --identity-file devices/devices.csv --broker mqtts://localhost --ca pki/ca.crt";

/// Help text after the flags.
pub const NOTES: &str = "\
docs/identities.md shows the whole way, from an authority to a broker that asks each device for its certificate.

Exit codes: 0 done; 1 a file exists or cannot be written, or cannot be used; 2 usage.";

/// What to make.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make an authority for tests: ca.crt and ca.key
    Authority(AuthorityArgs),
    /// Make the certificate of a broker: server.crt and server.key
    Server(ServerArgs),
    /// Make a certificate for each device: NAME.crt and NAME.key, and devices.csv for --identity-file
    Devices(Box<DeviceArgs>),
    /// Make a list of revoked certificates
    Revoke(RevokeArgs),
}

/// Arguments of `wasmote certificates authority`.
#[derive(ClapArgs, Debug)]
pub struct AuthorityArgs {
    /// Common name of the authority
    #[arg(long, value_name = "NAME", default_value = "Wasmote test authority")]
    common_name: String,
    #[command(flatten)]
    output: Output,
}

/// Arguments of `wasmote certificates server`.
#[derive(ClapArgs, Debug)]
pub struct ServerArgs {
    #[command(flatten)]
    signer: Signer,
    /// Host name or IP address of the broker, as in its URL
    #[arg(long = "host", value_name = "HOST", required = true, value_delimiter = ',')]
    hosts: Vec<String>,
    #[command(flatten)]
    output: Output,
}

/// Arguments of `wasmote certificates devices`.
#[derive(ClapArgs, Debug)]
pub struct DeviceArgs {
    #[command(flatten)]
    signer: Signer,
    /// Make certificates that expired a day ago, for tests of a broker
    #[arg(long)]
    expired: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    names: Subset<Names>,
}

/// Arguments of `wasmote certificates revoke`.
#[derive(ClapArgs, Debug)]
pub struct RevokeArgs {
    #[command(flatten)]
    signer: Signer,
    /// File of the list, as PEM; an existing one is replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Certificates to revoke; the list contains no others
    #[arg(value_name = "CERTIFICATE", required = true)]
    certificates: Vec<PathBuf>,
}

/// The authority that signs.
#[derive(ClapArgs, Debug)]
struct Signer {
    /// Certificate of the authority, as PEM
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// Key of the authority, as PEM without a passphrase
    #[arg(long, value_name = "FILE")]
    ca_key: PathBuf,
}

/// Where certificates go, and how long they are valid.
#[derive(ClapArgs, Debug)]
struct Output {
    /// Folder of the files, which is made if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Days for which certificates are valid
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
}

/// Makes what the arguments ask for.
pub fn run(verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Authority(args) => authority(&args),
        Verb::Server(args) => server(&args),
        Verb::Devices(args) => devices(&args),
        Verb::Revoke(args) => revoke(&args),
    }
}

fn authority(args: &AuthorityArgs) -> Result<Exit, Failure> {
    let pair =
        Authority::create(&args.common_name, Validity::Days(args.output.days)).map_err(Failure::failed)?;
    args.output.write("ca", &pair)?;
    to_stdout(format_args!("{} and {}", args.output.shown("ca.crt"), args.output.shown("ca.key")));
    Ok(Exit::Done)
}

fn server(args: &ServerArgs) -> Result<Exit, Failure> {
    for host in &args.hosts {
        check_host(host).map_err(|problem| Failure::usage(anyhow!("--host: {problem}")))?;
    }
    let authority = args.signer.read()?;
    let pair = authority.server(&args.hosts, Validity::Days(args.output.days)).map_err(Failure::failed)?;
    args.output.write("server", &pair)?;
    to_stdout(format_args!("{} and {}", args.output.shown("server.crt"), args.output.shown("server.key")));
    Ok(Exit::Done)
}

fn devices(args: &DeviceArgs) -> Result<Exit, Failure> {
    let devices = args.device_names()?;
    let authority = args.signer.read()?;
    let output = &args.output;
    let validity = if args.expired { Validity::Expired(output.days) } else { Validity::Days(output.days) };
    // The list comes first: it fails if the folder holds other devices.
    let list = output.out.join("devices.csv");
    output.make_folder()?;
    write(&list, table(&devices).as_bytes(), Access::Public, output.force)?;
    for device in &devices {
        let pair = authority.device(device.client_id(), validity).map_err(Failure::failed)?;
        output.write(device.id.as_str(), &pair)?;
    }
    to_stdout(format_args!(
        "{} certificates with their keys, and {}",
        devices.len(),
        output.shown("devices.csv")
    ));
    Ok(Exit::Done)
}

fn revoke(args: &RevokeArgs) -> Result<Exit, Failure> {
    let authority = args.signer.read()?;
    let certificates = args.certificates.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let list = authority.revoke(&certificates).map_err(Failure::failed)?;
    write(&args.out, list.as_bytes(), Access::Public, true)?;
    to_stdout(format_args!("{} revoked: {}", certificates.len(), Printable(args.out.display())));
    Ok(Exit::Done)
}

impl DeviceArgs {
    fn device_names(&self) -> Result<Vec<DeviceName>, Failure> {
        const DEFAULT_GROUP: &str = "device";
        let group = self.names.group_name.as_ref().map_or(DEFAULT_GROUP, |name| name.as_str());
        let options: &IdentityOptions = &self.names.identity;
        let invalid = |error: wasmote_fleet::config::identity::IdentityProblem| {
            let flag = options.flag_of(&error.place).map_or(error.place.clone(), str::to_owned);
            Failure::usage(anyhow!("{flag}: {}", error.problem))
        };
        let names = GroupNames::new(options, group, format!("{group}-"), None).map_err(invalid)?;
        let count = self.names.devices.map(|count| count.0).or(names.limit());
        let count = count.ok_or_else(|| {
            Failure::usage(anyhow!(
                "--devices: say how many devices there are, or name them with --names or --identity-file"
            ))
        })?;
        let devices: Vec<DeviceName> =
            (0..count).map(|index| names.get(index)).collect::<Result<_, _>>().map_err(invalid)?;
        let mut ids: Vec<&str> = devices.iter().map(|device| device.id.as_str()).collect();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(devices),
            Some(pair) => {
                let problem = format!(
                    "two devices are called `{}`, and both would have the same files; give them other names",
                    pair[0]
                );
                Err(Failure::usage(anyhow!(problem)))
            }
        }
    }
}

/// The devices as a file for `--identity-file`.
fn table(devices: &[DeviceName]) -> String {
    let quoted = |text: &str| match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    };
    let row = |device: &DeviceName| {
        let id = &device.id;
        format!("{id},{},{id}.crt,{id}.key\n", quoted(device.client_id()))
    };
    let rows: String = devices.iter().map(row).collect();
    format!("name,client_id,certificate,key\n{rows}")
}

impl Signer {
    fn read(&self) -> Result<Authority, Failure> {
        let (certificate, key) = (read(&self.ca)?, read(&self.ca_key)?);
        let shown = format!("--ca {}, --ca-key {}", self.ca.display(), self.ca_key.display());
        Authority::read(&certificate, &key).context(Printable(shown).to_string()).map_err(with_cause)
    }
}

/// An error with its cause in one line.
fn with_cause(error: anyhow::Error) -> Failure {
    Failure::failed(anyhow!("{error:#}"))
}

impl Output {
    fn shown(&self, file: &str) -> String {
        Printable(self.out.join(file).display()).to_string()
    }

    fn make_folder(&self) -> Result<(), Failure> {
        let problem = |error: io::Error| {
            Failure::failed(anyhow!("--out: `{}` cannot be made: {error}", self.out.display()))
        };
        fs::create_dir_all(&self.out).map_err(problem)
    }

    fn write(&self, name: &str, pair: &Pair) -> Result<(), Failure> {
        self.make_folder()?;
        let path = |ending: &str| self.out.join(format!("{name}.{ending}"));
        write(&path("key"), pair.key.as_bytes(), Access::Private, self.force)?;
        write(&path("crt"), pair.certificate.as_bytes(), Access::Public, self.force)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let problem = |error: io::Error| Failure::failed(anyhow!("`{}` cannot be read: {error}", path.display()));
    let mut bytes = Vec::new();
    let opened = wasmote_fleet::regular_file::open(path);
    opened.and_then(|mut file| io::Read::read_to_end(&mut file, &mut bytes)).map_err(problem)?;
    Ok(bytes)
}

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Public,
    Private,
}

fn write(path: &Path, bytes: &[u8], access: Access, replace: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    if replace {
        // A file that exists may be readable by others.
        let _ = fs::remove_file(path);
    }
    options.create_new(true);
    #[cfg(unix)]
    if access == Access::Private {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = access;
    let written = options.open(path).and_then(|mut file| file.write_all(bytes));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::failed(anyhow!(
            "`{}` exists; choose another --out, or replace it with --force",
            path.display()
        )),
        _ => Failure::failed(anyhow!("`{}` cannot be written: {error}", path.display())),
    })
}
