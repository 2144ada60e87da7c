//! WASI functions that a simulated device does not have, such as those of sockets.
//!
//! A function that can fail returns an error, as on a machine that denies access, so that the program can handle it. One that
//! cannot fail returns nothing: `none`, an empty list, `false`. Without such an answer, and for all of `wasi:http`, which
//! the host's own `http` replaces, the call is a trap that names the function and what to use in its place.

use wasmtime::StoreContextMut;
use wasmtime::component::types::{self, Type};
use wasmtime::component::{LinkerInstance, Resource, ResourceType, Val};

use super::Unsupported;
use super::advice::advice;
use super::bindings::wasi::io::poll::Pollable;
use crate::cost;
use crate::host::Host;

/// Errors by which an absent function fails, the best first.
const ERRORS: [&str; 6] = ["access-denied", "access", "not-supported", "unsupported", "closed", "forbidden"];
/// Reason in errors that have a text.
const REASON: &str = "a simulated device does not have it";

/// Defines an absent function. Defining an implemented one again fails, and the implementation stays.
pub(super) fn define(
    stub: &mut LinkerInstance<'_, Host>,
    interface: &str,
    name: &str,
) -> wasmtime::Result<()> {
    let (interface, name) = (interface.to_owned(), name.to_owned());
    let called = name.clone();
    stub.func_new(&name, move |mut store, function, parameters, results| {
        store.data_mut().charge(&cost::WASI, 0)?;
        for parameter in parameters {
            drop_resources(&mut store, parameter)?;
        }
        for (result, ty) in results.iter_mut().zip(function.results()) {
            *result = match answer(&mut store, &interface, &called, &ty)? {
                Some(value) => value,
                None => return Err(trap(&interface, &called)),
            };
        }
        match interface.starts_with("wasi:http/") {
            true => Err(trap(&interface, &called)),
            false => Ok(()),
        }
    })
}

fn trap(interface: &str, name: &str) -> wasmtime::Error {
    wasmtime::format_err!(
        "it called `{interface}#{name}`, which a simulated device does not have{}",
        advice(interface)
    )
}

/// Drops the resources of a parameter, which belong to the called function.
fn drop_resources(store: &mut StoreContextMut<'_, Host>, value: &Val) -> wasmtime::Result<()> {
    match value {
        Val::Resource(resource) => resource.resource_drop(store),
        Val::List(values) | Val::Tuple(values) => {
            values.iter().try_for_each(|value| drop_resources(store, value))
        }
        Val::Record(fields) => fields.iter().try_for_each(|(_, value)| drop_resources(store, value)),
        Val::Variant(_, Some(value)) | Val::Option(Some(value)) => drop_resources(store, value),
        Val::Result(Ok(Some(value)) | Err(Some(value))) => drop_resources(store, value),
        _ => Ok(()),
    }
}

/// The value that a function returns; `None` if no value of the type says that there is nothing.
fn answer(
    store: &mut StoreContextMut<'_, Host>,
    interface: &str,
    name: &str,
    ty: &Type,
) -> wasmtime::Result<Option<Val>> {
    // The simulated device is in the time zone of its clock.
    if interface.starts_with("wasi:clocks/timezone") {
        return Ok(timezone(name));
    }
    Ok(match ty {
        Type::Result(result) => error_of(result).map(|error| Val::Result(Err(error))),
        Type::Option(_) => Some(Val::Option(None)),
        Type::List(_) => Some(Val::List(Vec::new())),
        Type::Bool => Some(Val::Bool(false)),
        Type::Own(resource) => own(store, *resource)?,
        _ => None,
    })
}

/// `wasi:clocks/timezone`: coordinated universal time.
fn timezone(name: &str) -> Option<Val> {
    match name {
        "utc-offset" => Some(Val::S32(0)),
        "display" => Some(Val::Record(vec![
            ("utc-offset".into(), Val::S32(0)),
            ("name".into(), Val::String("UTC".into())),
            ("in-daylight-saving-time".into(), Val::Bool(false)),
        ])),
        _ => None,
    }
}

/// A resource that does nothing, such as the network.
fn own(store: &mut StoreContextMut<'_, Host>, ty: types::ResourceType) -> wasmtime::Result<Option<Val>> {
    let pollable = ty == ResourceType::host::<Pollable>();
    if !pollable && ty != ResourceType::host::<Unsupported>() {
        return Ok(None);
    }
    store.data_mut().resource_created()?;
    let resource = match pollable {
        true => Resource::<Pollable>::new_own(0).try_into_resource_any(store)?,
        false => Resource::<Unsupported>::new_own(0).try_into_resource_any(store)?,
    };
    Ok(Some(Val::Resource(resource)))
}

/// The error of a result: of the cases of its type, the best one. Without a type, the error has no value either.
fn error_of(result: &types::ResultType) -> Option<Option<Box<Val>>> {
    let error = match result.err() {
        None => return Some(None),
        Some(Type::String) => Val::String(REASON.into()),
        Some(Type::Enum(errors)) => Val::Enum(best(errors.names().map(|name| (name, true)))?),
        Some(Type::Variant(errors)) => {
            let text = |case: &types::Case<'_>| matches!(case.ty, Some(Type::String));
            match best(errors.cases().map(|case| (case.name, case.ty.is_none()))) {
                Some(name) => Val::Variant(name, None),
                None => {
                    let case = errors.cases().find(text)?;
                    Val::Variant(case.name.to_owned(), Some(Box::new(Val::String(REASON.into()))))
                }
            }
        }
        Some(_) => return None,
    };
    Some(Some(Box::new(error)))
}

/// The best of the errors without a value; the first if none is among [`ERRORS`].
fn best<'a>(cases: impl Iterator<Item = (&'a str, bool)>) -> Option<String> {
    let names: Vec<&str> = cases.filter(|(_, without_value)| *without_value).map(|(name, _)| name).collect();
    let known = ERRORS.into_iter().find(|error| names.contains(error));
    known.or_else(|| names.first().copied()).map(str::to_owned)
}
