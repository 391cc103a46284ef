use proptest::prelude::*;

use super::super::reads::{MOST_REGISTERS, Read, reads};
use super::super::registers::{Kind, Order, Register, Scale, Table};

fn register(table: Table, address: u16, kind: Kind) -> Register {
    let (scale, none) = (Scale::new(1.0, 0.0), vec![]);
    Register { name: "power".into(), table, address, kind, order: Order::Abcd, scale, none }
}

/// The words of a value whose highest byte is the first, in another order.
fn words(bytes: &[u8], order: Order) -> Vec<u16> {
    let word = |pair: &[u8]| match order {
        Order::Abcd | Order::Cdab => u16::from(pair[0]) << 8 | u16::from(pair[1]),
        Order::Badc | Order::Dcba => u16::from(pair[1]) << 8 | u16::from(pair[0]),
    };
    let mut words: Vec<u16> = bytes.chunks(2).map(word).collect();
    if matches!(order, Order::Cdab | Order::Dcba) {
        words.reverse();
    }
    words
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::Abcd), Just(Order::Cdab), Just(Order::Badc), Just(Order::Dcba)]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::U16),
        Just(Kind::I16),
        Just(Kind::U32),
        Just(Kind::I32),
        Just(Kind::U64),
        Just(Kind::I64),
        Just(Kind::F32),
        Just(Kind::F64),
        (0_u8..16)
            .prop_flat_map(|first| (Just(first), 1..=16 - first))
            .prop_map(|(first, count)| Kind::Bits { first, count }),
    ]
}

fn table() -> impl Strategy<Value = Table> {
    prop_oneof![Just(Table::Holding), Just(Table::Input), Just(Table::Coils), Just(Table::Discrete)]
}

#[test]
fn the_orders_are_those_of_the_handbooks() {
    // 1.0 is 3f 80 00 00.
    for (order, words) in [
        (Order::Abcd, [0x3f80, 0x0000]),
        (Order::Cdab, [0x0000, 0x3f80]),
        (Order::Badc, [0x803f, 0x0000]),
        (Order::Dcba, [0x0000, 0x803f]),
    ] {
        let register = Register { order, ..register(Table::Input, 0, Kind::F32) };
        assert_eq!(register.value(&words), Some(1.0), "{order:?}");
    }
    let bits = register(Table::Holding, 0, Kind::Bits { first: 4, count: 3 });
    assert_eq!((bits.value(&[0b0101_0000]), bits.value(&[0xffff])), (Some(5.0), Some(7.0)));
    assert_eq!(register(Table::Holding, 0, Kind::U32).value(&[1]), None, "too few");
}

#[test]
fn decimals_stay_decimals() {
    let of = |scale, offset, raw: u16| {
        let register =
            Register { scale: Scale::new(scale, offset), ..register(Table::Holding, 0, Kind::U16) };
        register.value(&[raw]).unwrap()
    };
    for (scale, offset, raw, value) in [
        (0.1, 0.0, 2_301, 230.1),
        (0.01, -40.0, 6_543, 25.43),
        (0.3, 0.0, 7, 2.1),
        (2.5, 0.5, 3, 8.0),
        (1.0, 0.0, 65_535, 65_535.0),
        (-0.001, 0.0, 1_234, -1.234),
        (1e6, 0.0, 3, 3e6),
    ] {
        assert_eq!(of(scale, offset, raw), value);
    }
    let third = of(1.0 / 3.0, 0.0, 6);
    assert!((third - 2.0).abs() < 1e-9, "no decimal, and near all the same: {third}");
    let float = register(Table::Holding, 0, Kind::F32);
    let bits = 21.3_f32.to_bits();
    assert_eq!(float.value(&words(&bits.to_be_bytes(), Order::Abcd)), Some(21.3));
}

#[test]
fn a_value_that_means_none_is_no_value() {
    let of = |kind, none: &[f64], bytes: &[u8]| {
        let register = Register { none: none.to_vec(), ..register(Table::Holding, 0, kind) };
        register.value(&words(bytes, Order::Abcd))
    };
    assert_eq!(of(Kind::U16, &[65_535.0], &[0xff, 0xff]), None);
    assert_eq!(of(Kind::U16, &[65_535.0], &[0xff, 0xfe]), Some(65_534.0));
    assert_eq!(of(Kind::I16, &[-32_768.0], &[0x80, 0]), None);
    assert_eq!(of(Kind::F32, &[], &f32::NAN.to_be_bytes()), None);
    assert_eq!(
        of(Kind::F32, &[], &f32::INFINITY.to_be_bytes()),
        Some(f64::INFINITY),
        "the intake refuses it"
    );
    assert_eq!(register(Table::Coils, 3, Kind::Bits { first: 0, count: 1 }).bit(true), Some(1.0));
}

proptest! {
    #[test]
    fn every_type_in_every_order_is_read_as_it_was_written(bits: u64, order in order(), kind in kind()) {
        let bytes = bits.to_be_bytes();
        let (low, word) = (u32::try_from(bits & 0xffff_ffff).unwrap(), u16::try_from(bits & 0xffff).unwrap());
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "as it is read")]
        let (bytes, expected) = match kind {
            Kind::U16 => (&bytes[6..], f64::from(word)),
            Kind::I16 => (&bytes[6..], f64::from(word as i16)),
            Kind::U32 => (&bytes[4..], f64::from(low)),
            Kind::I32 => (&bytes[4..], f64::from(low as i32)),
            Kind::F32 => (&bytes[4..], f64::from(f32::from_bits(low))),
            Kind::U64 => (&bytes[..], bits as f64),
            Kind::I64 => (&bytes[..], bits as i64 as f64),
            Kind::F64 => (&bytes[..], f64::from_bits(bits)),
            Kind::Bits { first, count } => {
                let field = (0..count).map(|bit| (word >> (first + bit) & 1) << bit).sum::<u16>();
                (&bytes[6..], f64::from(field))
            }
        };
        let register = Register { order, ..register(Table::Holding, 0, kind) };
        let value = register.value(&words(bytes, order));
        match (kind, value) {
            (_, None) => prop_assert!(expected.is_nan()),
            // As the shortest decimal: the same single-precision number.
            #[expect(clippy::cast_possible_truncation, reason = "back to what it was")]
            (Kind::F32, Some(value)) => prop_assert_eq!((value as f32).to_bits(), low),
            (_, Some(value)) => prop_assert_eq!(value.to_bits(), expected.to_bits()),
        }
    }

    #[test]
    fn whatever_words_come_there_is_a_value_or_none(
        words in proptest::collection::vec(any::<u16>(), 0..6), order in order(), kind in kind(),
    ) {
        let value = Register { order, ..register(Table::Input, 0, kind) }.value(&words);
        prop_assert!(value.is_some() || words.len() < usize::from(kind.registers())
            || matches!(kind, Kind::F32 | Kind::F64));
    }

    #[test]
    fn every_register_is_read_once_and_no_request_is_too_large_or_too_wide(
        list in proptest::collection::vec((table(), prop_oneof![0_u16..300, 65_000_u16..=65_532], kind()), 1..80),
        gap in 0_u16..100, most in 4_u16..=MOST_REGISTERS,
    ) {
        let registers: Vec<Register> = list
            .into_iter()
            .map(|(table, address, kind)| match table.is_bits() {
                true => register(table, address, Kind::Bits { first: 0, count: 1 }),
                false => register(table, address, kind),
            })
            .collect();
        let reads = reads(&registers, gap, most);
        let mut seen = vec![0; registers.len()];
        for Read { table, address, count, registers: inside } in &reads {
            let bound = if table.is_bits() { 2_000 } else { most };
            prop_assert!((1..=bound).contains(count));
            let mut wanted = vec![false; usize::from(*count)];
            for n in inside {
                let register = &registers[*n];
                seen[*n] += 1;
                prop_assert_eq!(register.table, *table);
                prop_assert!(register.address >= *address);
                prop_assert!(register.end() <= u32::from(*address) + u32::from(*count));
                let from = usize::from(register.address - address);
                wanted[from..from + usize::from(register.kind.registers())].fill(true);
            }
            prop_assert!(wanted[0] && wanted[wanted.len() - 1]);
            let unwanted = wanted.split(|wanted| *wanted).map(<[bool]>::len).max().unwrap();
            prop_assert!(unwanted <= usize::from(gap));
        }
        prop_assert!(seen.iter().all(|times| *times == 1));
    }
}

#[test]
fn neighbours_go_together_and_those_far_apart_only_when_a_gap_is_allowed() {
    let registers = [
        register(Table::Holding, 10, Kind::F32),
        register(Table::Holding, 0, Kind::U16),
        register(Table::Holding, 1, Kind::U16),
        register(Table::Input, 2, Kind::U16),
    ];
    let spans = |gap, most| -> Vec<(u16, u16)> {
        reads(&registers, gap, most).iter().map(|read| (read.address, read.count)).collect()
    };
    assert_eq!(spans(0, 125), [(0, 2), (10, 2), (2, 1)]);
    assert_eq!(spans(8, 125), [(0, 12), (2, 1)]);
    assert_eq!(spans(8, 8), [(0, 2), (10, 2), (2, 1)]);
}
