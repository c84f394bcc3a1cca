//! What real clients send, cut, spread and bent.

use std::sync::Arc;

use proptest::prelude::*;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::*;

/// `openssl s_client -servername api.example.com -tls1_3` of OpenSSL 3.0.19.
const OPENSSL: &str = "\
    16030100de010000da030376486d9b6a819a288c5fc302b4b71d31723fed2ec1265d8b30081a876a0c749d20\
    6076ccde422531af7013d34668ecd767f467a046931e42d19980b18d7e236e2c0004130100ff0100008d0000\
    0014001200000f6170692e6578616d706c652e636f6d000b000403000102000a00040002001d002300000016\
    000000170000000d001e001c040305030603080708080809080a080b080408050806040105010601002b0003\
    020304002d00020101003300260024001d00205639fcb305afb46fae8ce8298271c4f0741f3dd2194541d3f2\
    a4be0abbe4f471";

/// `openssl s_client -noservername -tls1_2`.
const NAMELESS: &str = "\
    160301007b0100007703036efb19a025a92e7d2da5340b8269052a9a129b402c86500cbff15bd6543e7e5f00\
    0004c02f00ff0100004a000b000403000102000a00040002001d002300000016000000170000000d002a0028\
    040305030603080708080809080a080b080408050806040105010601030303010302040205020602";

/// `openssl s_client -servername API.Example.com -tls1`: no signature algorithms.
const OLD: &str = "\
    160301005501000051030111dadecb5d986935e890b9396fff59c5b594b8dc294295f1859ed4169ad19cff00\
    0004002f00ff0100002400000014001200000f4150492e4578616d706c652e636f6d00230000001600000017\
    0000";

/// curl 7.88.1.
const CURL: &str = "\
    1603010200010001fc03033dc229d28b8220bb9785d811c82622e21ca8bb0fefd3c72c629754863541a5e020\
    2ea1170db484ca77791cf426a0dc8c36ac6b5aecf4e9aa96bea9891c78302066003e130213031301c02cc030\
    009fcca9cca8ccaac02bc02f009ec024c028006bc023c0270067c00ac0140039c009c0130033009d009c003d\
    003c0035002f00ff01000175000000150013000010617070732e6578616d706c652e636f6d000b0004030001\
    02000a00160014001d0017001e00190018010001010102010301040010000e000c02683208687474702f312e\
    31001600000017000000310000000d002a0028040305030603080708080809080a080b080408050806040105\
    010601030303010302040205020602002b0009080304030303020301002d00020101003300260024001d0020\
    1dd90cf8f26ccbee5750b61fc685e90b34f7b1527eff29a9ec38d40ce9e7d10c001500ad0000000000000000\
    0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
    0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
    0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
    000000000000000000000000000000000000000000000000000000000000000000";

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

fn whole(name: &str) -> Hello {
    Hello::Whole(Some(name.to_owned()))
}

#[test]
fn what_real_clients_ask_for() {
    assert_eq!(Hello::read(&bytes(OPENSSL)), whole("api.example.com"));
    assert_eq!(Hello::read(&bytes(NAMELESS)), Hello::Whole(None));
    assert_eq!(Hello::read(&bytes(OLD)), whole("api.example.com"));
    assert_eq!(Hello::read(&bytes(CURL)), whole("apps.example.com"));
    // What follows the hello is none of it: early data, a ChangeCipherSpec record.
    let followed = [bytes(OPENSSL), b"\x14\x03\x03\x00\x01\x01".to_vec()].concat();
    assert_eq!(Hello::read(&followed), whole("api.example.com"));
}

#[test]
fn whatever_is_missing_is_waited_for() {
    for hex in [OPENSSL, NAMELESS, OLD, CURL] {
        let hello = bytes(hex);
        for length in 0..hello.len() {
            assert_eq!(Hello::read(&hello[..length]), Hello::Part, "{length} bytes of it");
        }
    }
}

#[test]
fn what_is_none_is_known_at_once() {
    for foreign in [
        b"GET / HTTP/1.1\r\n".as_slice(),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00",
        b"\x16\x02",
        // SSL 2.0, as clients of the nineties said hello.
        b"\x80\x2e\x01\x00\x02",
        // An alert; an empty record; one that is too long; a ServerHello.
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x40\x01",
        b"\x16\x03\x03\x00\x04\x02\x00\x00\x00",
        // A hello of 64 KiB, one of nothing.
        b"\x16\x03\x03\x00\x04\x01\x01\x00\x00",
        b"\x16\x03\x03\x00\x04\x01\x00\x00\x00",
    ] {
        assert_eq!(Hello::read(foreign), Hello::Foreign, "{foreign:02x?}");
    }
}

#[test]
fn a_hello_that_never_ends_is_not_waited_for() {
    // One byte of the message in each record, and more to come.
    let endless: Vec<u8> = [22, 3, 1, 0, 1, 1].repeat(LIMIT / 6 + 1);
    assert_eq!(Hello::read(&endless[..LIMIT - 1]), Hello::Foreign, "a message of 64 KiB");
    let mut slow = vec![22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xff];
    slow.resize(LIMIT - 1, 0);
    assert_eq!(Hello::read(&slow), Hello::Part);
    slow.push(0);
    assert_eq!(Hello::read(&slow), Hello::Foreign, "no more fits");
}

/// A hello with these extensions, as they stand in it.
fn hello(extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let length = u16::try_from(body.len()).unwrap();
    let mut record = vec![22, 3, 1];
    record.extend((length + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend(length.to_be_bytes());
    record.extend(body);
    record
}

/// The same with a `server_name` of one host.
fn asking(name: &[u8]) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    let mut extension = vec![0, 0, 0, length + 5, 0, length + 3, 0, 0, length];
    extension.extend(name);
    hello(&extension)
}

#[test]
fn a_name_is_one_of_a_host_or_none() {
    for (name, read) in [
        (b"example.com".as_slice(), Some("example.com")),
        (b"EXAMPLE.com.", Some("example.com")),
        (b"_sip.x", Some("_sip.x")),
        (b"", None),
        (b".", None),
        (b"a b", None),
        (b"a\nproxy=x", None),
        (b"fd00::1", None),
        (b"\xff\xfe", None),
    ] {
        let read = Hello::Whole(read.map(str::to_owned));
        assert_eq!(Hello::read(&asking(name)), read, "{name:?}");
    }
}

#[test]
fn fields_that_reach_beyond_what_holds_them_are_lies() {
    let none = Hello::Whole(None);
    for (extensions, read) in [
        (b"".as_slice(), none.clone()),
        // Another extension; a list of another type of name.
        (b"\x00\x17\x00\x00", none.clone()),
        (b"\x00\x00\x00\x06\x00\x04\x09\x00\x01x", none),
        // Extension, list and name that are longer than what is around them; an empty list.
        (b"\x00\x17\x00\x01", Hello::Foreign),
        (b"\x00\x17\x00", Hello::Foreign),
        (b"\x00\x00\x00\x04\x00\x03\x00\x00", Hello::Foreign),
        (b"\x00\x00\x00\x06\x00\x04\x00\x00\x02x", Hello::Foreign),
        (b"\x00\x00\x00\x02\x00\x00", Hello::Foreign),
    ] {
        assert_eq!(Hello::read(&hello(extensions)), read, "{extensions:02x?}");
    }
}

/// What rustls sends when it asks for a name, in records of `fragment` bytes.
fn of_rustls(name: &str, fragment: usize) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty());
    let mut config = config.with_no_client_auth();
    config.max_fragment_size = Some(fragment);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut sent = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut sent).unwrap();
    }
    sent
}

proptest! {
    #[test]
    fn rustls_is_understood_in_records_of_any_size(
        name in "[a-z][a-z0-9-]{0,20}[a-z](\\.[a-z]{2,10}){1,4}",
        fragment in 32_usize..400,
    ) {
        let sent = of_rustls(&name, fragment);
        prop_assert_eq!(Hello::read(&sent), whole(&name));
        prop_assert_eq!(Hello::read(&sent[..sent.len() - 1]), Hello::Part);
    }

    #[test]
    fn no_bytes_make_it_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..300),
        bend in proptest::collection::vec((0_usize..517, any::<u8>()), 0..4),
    ) {
        drop(Hello::read(&bytes));
        // The rest of it would hardly ever be reached otherwise.
        let mut hello = self::bytes(CURL);
        for (place, byte) in bend {
            hello[place] = byte;
        }
        drop(Hello::read(&hello));
        hello.append(&mut bytes);
        drop(Hello::read(&hello));
    }
}
