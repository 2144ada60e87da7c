//! Memory of the pods of a group: for running its devices, and for compiling its behaviour.
//!
//! A container that exceeds its limit is killed without a word, so the limits are estimated here and compared with those of
//! the user. Compiling a large component takes many times the memory of running it. Such a component is compiled by an init
//! container with a limit of its own, which ends before the devices start.

use wasmote_engine::{CompileMode, Estimate, estimate_of};
use wasmote_fleet::config::Group;

use super::ManifestError;
use super::name::Quantity;
use super::options::{BehaviourMount, DeployOptions};

const MIB: u64 = 1 << 20;

/// Memory of the program without devices and code, while it starts.
const PROGRAM_BYTES: u64 = 24 * MIB;
/// Memory of a device and its connection. A thousand took 165 MiB.
const DEVICE_BYTES: u64 = 200 << 10;
/// Least limit of a pod, unless the user sets one.
pub const DEFAULT_BYTES: u64 = 64 * MIB;

/// Memory of the pods of a group.
#[derive(Clone, Debug)]
pub struct PodMemory {
    /// Limit of a pod.
    pub limit: Quantity,
    /// The init container that compiles the behaviour, if there is one.
    pub compile: Option<CompileContainer>,
    /// Notes for the user: limits that differ from the default, or that do not suffice.
    pub notes: Vec<String>,
}

/// An init container that compiles the behaviour of a pod.
#[derive(Clone, Debug)]
pub struct CompileContainer {
    /// Its limit of memory.
    pub memory: Quantity,
    /// Its limit of processors: at least one, because optimised code takes much processor time.
    pub cpu: Quantity,
    /// Size limit of the volume with the compiled code.
    pub volume: Quantity,
}

/// The compile mode of pods with this limit of processors.
pub fn compile_mode(cpu: &Quantity) -> CompileMode {
    /// Limit below which optimised compilation would delay the start too much.
    const QUICK_BELOW: f64 = 0.5;
    if cpu.value() < QUICK_BELOW { CompileMode::Quick } else { CompileMode::Full }
}

/// Memory of a process that compiles, so that its child may use this much: the child gets three quarters of what is left.
pub fn to_compile(bytes: u64) -> u64 {
    PROGRAM_BYTES + bytes / 3 * 4
}

impl PodMemory {
    /// Determines the memory of a group's pods. `component` is the behaviour, if it is known.
    pub(super) fn of(
        group: &Group,
        component: Option<&[u8]>,
        options: &DeployOptions,
    ) -> Result<Self, ManifestError> {
        // Pods refuse a component without an estimate, and say why.
        let estimate = component.and_then(|bytes| estimate_of(bytes).ok());
        let mut notes = Vec::new();
        let limit = limit(group, estimate, options, &mut notes);
        let compile = compile(group, estimate, &limit, options, &mut notes)?;
        Ok(Self { limit, compile, notes })
    }
}

/// The limit of a pod.
fn limit(
    group: &Group,
    estimate: Option<Estimate>,
    options: &DeployOptions,
    notes: &mut Vec<String>,
) -> Quantity {
    let devices = u64::from(options.devices_per_pod);
    // Code is read from a file and then copied. Code that was compiled quickly is larger.
    let code = estimate.map_or(0, |known| known.code_bytes(compile_mode(&options.cpu)));
    let device = DEVICE_BYTES + estimate.map_or(0, |known| known.data_bytes());
    let needed = PROGRAM_BYTES + 2 * code + devices * device;
    let enough = Quantity::memory(needed.max(DEFAULT_BYTES));
    let name = &group.name;
    match &options.memory {
        Some(given) => {
            if (given.value() as u64) < needed {
                notes.push(format!(
                    "a pod of group `{name}` needs about {} MiB for its {devices} devices and the code of its behaviour, and is \
                     killed beyond {}: use --memory {}",
                    needed.div_ceil(MIB),
                    given.as_str(),
                    enough.as_str()
                ));
            }
            given.clone()
        }
        None => {
            if needed > DEFAULT_BYTES {
                notes.push(format!(
                    "a pod of group `{name}` needs about {} MiB for its {devices} devices and the code of its behaviour, so its \
                     limit is {} (--memory sets another)",
                    needed.div_ceil(MIB),
                    enough.as_str()
                ));
            }
            enough
        }
    }
}

/// The init container, if the user asks for one, or if the pod's memory does not suffice to compile.
fn compile(
    group: &Group,
    estimate: Option<Estimate>,
    limit: &Quantity,
    options: &DeployOptions,
    notes: &mut Vec<String>,
) -> Result<Option<CompileContainer>, ManifestError> {
    if options.behaviour == BehaviourMount::Program {
        return Ok(None);
    }
    let in_pod = estimate.map_or(0, |known| to_compile(known.compile_bytes(compile_mode(&options.cpu))));
    let ahead = estimate.map_or(0, |known| to_compile(known.compile_bytes(CompileMode::Full)));
    let enough = Quantity::memory(ahead + ahead / 8);
    let memory = match &options.compile_memory {
        Some(given) if (given.value() as u64) < ahead => {
            return Err(ManifestError::CompileMemory {
                behaviour: group.behaviour.display_name(),
                needed_mebibytes: ahead.div_ceil(MIB),
                given: given.as_str().to_owned(),
                enough: enough.as_str().to_owned(),
            });
        }
        Some(given) => given.clone(),
        // An image with the component has its code, too, or else the component is refused in words.
        None if matches!(options.behaviour, BehaviourMount::Volume(_)) => return Ok(None),
        None if in_pod <= limit.value() as u64 => return Ok(None),
        None => {
            notes.push(format!(
                "compiling the behaviour of group `{}` takes about {} MiB, and its pods have {}: an init container with {} \
                 compiles it at the start of each pod (--compile-memory sets another limit); for many pods, compile it once \
                 into an image for --behaviour-image",
                group.name,
                in_pod.div_ceil(MIB),
                limit.as_str(),
                enough.as_str()
            ));
            enough
        }
    };
    let cpu = if options.cpu.value() > 1.0 { options.cpu.clone() } else { Quantity::one() };
    // A file is written beside the one that it replaces.
    let code = estimate.map_or(256 * MIB, |known| known.code_bytes(CompileMode::Full));
    Ok(Some(CompileContainer { memory, cpu, volume: Quantity::memory(3 * code + 32 * MIB) }))
}
