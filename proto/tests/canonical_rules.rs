//! The rules of DESIGN.md section 3, "Canonical protobuf", held against the compiled files: what
//! follows them is encoded in one way by prost and by any other library.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use prost::Message;
use prost_types::{
    DescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};

fn messages() -> Vec<(String, DescriptorProto)> {
    let set = FileDescriptorSet::decode(remit_proto::FILE_DESCRIPTOR_SET).unwrap();
    let files = set.file.into_iter().filter(|file| file.package() == "remit.v1");
    files
        .flat_map(|file| {
            let name = file.name().to_owned();
            file.message_type.into_iter().map(move |m| (format!("{name} {}", m.name()), m))
        })
        .collect()
}

#[test]
fn fields_stand_in_ascending_order() {
    for (name, message) in messages() {
        let numbers: Vec<i32> = message.field.iter().map(|field| field.number()).collect();
        assert!(numbers.is_sorted(), "{name}: {numbers:?}");
    }
}

#[test]
fn a_oneof_is_contiguous_and_above_all_other_fields() {
    for (name, message) in messages() {
        for oneof in 0..message.oneof_decl.len() {
            let inside = |field: &&prost_types::FieldDescriptorProto| {
                field.oneof_index == i32::try_from(oneof).ok()
            };
            let mut numbers: Vec<i32> =
                message.field.iter().filter(inside).map(|f| f.number()).collect();
            numbers.sort_unstable();
            let contiguous = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
            assert!(contiguous, "{name}: {numbers:?}");
            let others = message.field.iter().filter(|f| f.oneof_index.is_none());
            let highest = others.map(|f| f.number()).max().unwrap_or(0);
            assert!(numbers.first().is_none_or(|first| *first > highest), "{name}");
        }
        assert!(message.oneof_decl.len() <= 1, "{name}: one oneof is enough");
    }
}

#[test]
fn nothing_that_two_libraries_may_encode_differently() {
    for (name, message) in messages() {
        assert!(message.nested_type.is_empty(), "{name}: maps and nested messages");
        for field in &message.field {
            let field_name = format!("{name}.{}", field.name());
            assert!(!field.proto3_optional(), "{field_name}: optional");
            let bad = matches!(field.r#type(), Type::Float | Type::Double | Type::Group);
            assert!(!bad, "{field_name}: {:?}", field.r#type());
            if field.label() == Label::Repeated {
                let packed =
                    field.options.as_ref().is_none_or(|options| options.packed != Some(false));
                assert!(packed, "{field_name}: not packed");
            }
        }
    }
}

#[test]
fn every_enum_keeps_0_for_what_is_not_said() {
    let set = FileDescriptorSet::decode(remit_proto::FILE_DESCRIPTOR_SET).unwrap();
    for file in set.file.iter().filter(|file| file.package() == "remit.v1") {
        for item in &file.enum_type {
            let zero = item.value.iter().find(|value| value.number() == 0);
            let said = zero.is_some_and(|value| value.name().ends_with("_UNSPECIFIED"));
            assert!(said, "{}", item.name());
        }
    }
}
