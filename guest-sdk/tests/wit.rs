//! The promises that `wit/` makes of itself: every item is documented and says since when it is there,
//! functions are synchronous, nothing is a floating-point number, and every type is one that all guest
//! languages have.

use std::path::Path;

use wit_parser::{Docs, FunctionKind, Interface, Resolve, Stability, Type, TypeDefKind};

fn interfaces() -> (Resolve, Vec<Interface>) {
    let mut resolve = Resolve::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("wit");
    let (package, _) = resolve.push_dir(folder).unwrap();
    let ids: Vec<_> = resolve.packages[package].interfaces.values().copied().collect();
    let interfaces = ids.into_iter().map(|id| resolve.interfaces[id].clone()).collect();
    (resolve, interfaces)
}

/// Every named thing of the package, with its documentation.
fn items() -> Vec<(String, Docs)> {
    let (resolve, interfaces) = interfaces();
    let mut items = Vec::new();
    for interface in interfaces {
        let at = interface.name.clone().unwrap();
        items.push((at.clone(), interface.docs.clone()));
        for function in interface.functions.values() {
            items.push((format!("{at}.{}", function.name), function.docs.clone()));
        }
        for (name, &id) in &interface.types {
            let definition = &resolve.types[id];
            let at = format!("{at}.{name}");
            let mut parts = |names: Vec<(&String, &Docs)>| {
                items.extend(names.into_iter().map(|(name, docs)| (format!("{at}.{name}"), docs.clone())));
            };
            match &definition.kind {
                // Only brought in from another interface.
                TypeDefKind::Type(Type::Id(_)) => continue,
                TypeDefKind::Record(record) => {
                    parts(record.fields.iter().map(|field| (&field.name, &field.docs)).collect());
                }
                TypeDefKind::Enum(cases) => {
                    parts(cases.cases.iter().map(|case| (&case.name, &case.docs)).collect());
                }
                TypeDefKind::Variant(variant) => {
                    parts(variant.cases.iter().map(|case| (&case.name, &case.docs)).collect());
                }
                _ => {}
            }
            items.push((at, definition.docs.clone()));
        }
    }
    items
}

#[test]
fn every_item_is_documented_in_sentences() {
    let items = items();
    assert!(items.len() > 150, "only {} items were found", items.len());
    let whole = |docs: &Docs| docs.contents.as_deref().is_some_and(|text| text.trim_end().ends_with('.'));
    let poor: Vec<_> = items.iter().filter(|(_, docs)| !whole(docs)).map(|(name, _)| name).collect();
    assert!(poor.is_empty(), "without a documentation that ends in a full stop: {poor:?}");
}

#[test]
fn every_interface_says_since_when_it_is_there() {
    for interface in interfaces().1 {
        assert!(matches!(interface.stability, Stability::Stable { .. }), "{:?}", interface.name);
    }
}

#[test]
fn functions_are_synchronous_and_types_are_those_of_every_language() {
    let (resolve, interfaces) = interfaces();
    for function in interfaces.iter().flat_map(|interface| interface.functions.values()) {
        let synchronous = !matches!(
            function.kind,
            FunctionKind::AsyncFreestanding | FunctionKind::AsyncMethod(_) | FunctionKind::AsyncStatic(_)
        );
        assert!(synchronous, "{}", function.name);
        let types = function.params.iter().map(|param| param.ty).chain(function.result);
        types.for_each(|used| assert_plain(&function.name, used));
    }
    for (_, definition) in resolve.types.iter() {
        let name = format!("{:?}", definition.name);
        match &definition.kind {
            TypeDefKind::Future(_)
            | TypeDefKind::Stream(_)
            | TypeDefKind::Map(..)
            | TypeDefKind::FixedLengthList(..) => panic!("{name} is not in every language"),
            TypeDefKind::Record(record) => record.fields.iter().for_each(|f| assert_plain(&name, f.ty)),
            TypeDefKind::Tuple(tuple) => tuple.types.iter().for_each(|&used| assert_plain(&name, used)),
            TypeDefKind::Variant(variant) => {
                variant.cases.iter().filter_map(|case| case.ty).for_each(|used| assert_plain(&name, used));
            }
            TypeDefKind::Result(result) => {
                result.ok.into_iter().chain(result.err).for_each(|used| assert_plain(&name, used));
            }
            TypeDefKind::Option(used) | TypeDefKind::List(used) | TypeDefKind::Type(used) => {
                assert_plain(&name, *used);
            }
            _ => {}
        }
    }
}

fn assert_plain(place: &str, used: Type) {
    assert!(!matches!(used, Type::F32 | Type::F64 | Type::ErrorContext), "{place} uses {used:?}");
}
