//! Makes legible to the client what a stranger may put into a message, in place, no length changed.
//!
//! The client drops the connection over a short string that is not UTF-8, and follows tables in
//! tables without end. The broker minds neither, and would deliver that message again, for ever.

/// The frame that says what is delivered, and from where.
pub(super) const METHOD: u8 = 1;
/// The frame of a message's properties.
pub(super) const HEADER: u8 = 2;
/// Class and method of each way in which a message comes: returned, delivered, got.
const ARRIVALS: [(u16, u16); 3] = [(60, 50), (60, 60), (60, 71)];
/// A value that the client hands on as bytes, which we do not use.
const BYTES: u8 = b'x';

/// What a field of a frame is.
#[derive(Clone, Copy)]
enum Field {
    Short,
    Table,
    Fixed(usize),
}

/// The properties of a message, in the order of their flags.
const PROPERTIES: [Field; 14] = [
    Field::Short,    // content_type
    Field::Short,    // content_encoding
    Field::Table,    // headers
    Field::Fixed(1), // delivery_mode
    Field::Fixed(1), // priority
    Field::Short,    // correlation_id
    Field::Short,    // reply_to
    Field::Short,    // expiration
    Field::Short,    // message_id
    Field::Fixed(8), // timestamp
    Field::Short,    // type
    Field::Short,    // user_id
    Field::Short,    // app_id
    Field::Short,    // cluster_id
];

/// Makes the payload of a frame legible. What is cut short is left to the client, which says so.
pub(super) fn make(kind: u8, payload: &mut [u8]) {
    let rest = Rest(payload);
    let _cut_short = match kind {
        METHOD => arrival(rest),
        HEADER => properties(rest),
        _ => Some(()),
    };
}

fn arrival(mut rest: Rest<'_>) -> Option<()> {
    let fields: &[Field] = match (rest.number()?, rest.number()?) {
        method if !ARRIVALS.contains(&method) => &[],
        // Code, reason, exchange, routing key.
        (_, 50) => &[Field::Fixed(2), Field::Short, Field::Short, Field::Short],
        // Consumer, tag and whether it came before, exchange, routing key.
        (_, 60) => &[Field::Short, Field::Fixed(9), Field::Short, Field::Short],
        // Tag and whether it came before, exchange, routing key.
        _ => &[Field::Fixed(9), Field::Short, Field::Short],
    };
    fields.iter().try_for_each(|field| rest.field(*field))
}

fn properties(mut rest: Rest<'_>) -> Option<()> {
    // Class, weight, size of the body.
    rest.take(12)?;
    let flags = rest.number()?;
    let is_there = |place: &usize| flags << place & 0x8000 != 0;
    let mut there = (0..PROPERTIES.len()).filter(is_there);
    there.try_for_each(|place| rest.field(PROPERTIES[place]))
}

/// What is not read yet.
struct Rest<'a>(&'a mut [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a mut [u8]> {
        let (taken, rest) = std::mem::take(&mut self.0).split_at_mut_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes((*self.take(2)?).try_into().ok()?))
    }

    /// What its length, of four bytes, stands before.
    fn long(&mut self) -> Option<&'a mut [u8]> {
        let length = u32::from_be_bytes((*self.take(4)?).try_into().ok()?);
        self.take(usize::try_from(length).ok()?)
    }

    fn field(&mut self, field: Field) -> Option<()> {
        match field {
            Field::Short => {
                let length = self.take(1)?[0];
                replace_what_is_not_utf8(self.take(length.into())?);
            }
            Field::Fixed(length) => drop(self.take(length)?),
            Field::Table => {
                let mut entries = Rest(self.long()?);
                while !entries.0.is_empty() {
                    entries.field(Field::Short)?;
                    entries.value()?;
                }
            }
        }
        Some(())
    }

    /// A value of a table.
    fn value(&mut self) -> Option<()> {
        let kind = &mut self.take(1)?[0];
        let length = match *kind {
            b'V' => 0,
            b't' | b'b' | b'B' => 1,
            b's' | b'U' | b'u' => 2,
            b'I' | b'i' | b'f' => 4,
            b'D' => 5,
            b'l' | b'L' | b'd' | b'T' => 8,
            b'S' | BYTES => return self.long().map(|_| ()),
            // A table or an array, laid out as bytes are.
            b'F' | b'A' => {
                *kind = BYTES;
                return self.long().map(|_| ());
            }
            _ => return None,
        };
        self.take(length).map(|_| ())
    }
}

fn replace_what_is_not_utf8(text: &mut [u8]) {
    let mut from = 0;
    while let Err(error) = std::str::from_utf8(&text[from..]) {
        let start = from + error.valid_up_to();
        let end = error.error_len().map_or(text.len(), |length| start + length);
        text[start..end].fill(b'?');
        from = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(flags: u16, properties: &[u8]) -> Vec<u8> {
        [&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &flags.to_be_bytes(), properties].concat()
    }

    fn made(kind: u8, mut payload: Vec<u8>) -> Vec<u8> {
        make(kind, &mut payload);
        payload
    }

    #[test]
    fn strings_become_text_and_depth_becomes_bytes() {
        // `headers`, `priority`, `message_id`, `cluster_id`.
        let flags = 0x2000 | 0x0800 | 0x0080 | 0x0004;
        let table = |nested: u8| {
            let mut table =
                b"\x02k\xffT\xff\xff\xff\xff\xff\xff\xff\xff\x01lS\0\0\0\x01\xff".to_vec();
            table.extend([1, b'n', nested, 0, 0, 0, 3, 9, 0xff, b'F']);
            [&[0, 0, 0, u8::try_from(table.len()).unwrap()][..], &table].concat()
        };
        let given = [&table(b'F')[..], b"\xff", b"\x05a\xf0\x9f\xffx", b"\x02\xc3\xbc"].concat();
        let mut wanted = [&table(b'x')[..], b"\xff", b"\x05a???x", b"\x02\xc3\xbc"].concat();
        wanted[6] = b'?';
        let given = header(flags, &given);
        assert_eq!(made(HEADER, given), header(flags, &wanted));
    }

    #[test]
    fn whatever_brings_a_message_becomes_legible_and_nothing_else() {
        let delivery = b"\0\x3c\0\x3c\x01c123456789\x01\xff\x02k\xff";
        assert_eq!(made(METHOD, delivery.to_vec()), b"\0\x3c\0\x3c\x01c123456789\x01?\x02k?");
        let returned = b"\0\x3c\0\x3212\x01\xff\x01\xfe\x02k\xff";
        assert_eq!(made(METHOD, returned.to_vec()), b"\0\x3c\0\x3212\x01?\x01?\x02k?");
        let got = b"\0\x3c\0\x47123456789\x01\xff\x02k\xff\0\0\0\x01";
        assert_eq!(made(METHOD, got.to_vec()), b"\0\x3c\0\x47123456789\x01?\x02k?\0\0\0\x01");
        for other in [&b"\0\x0a\0\x0a\xff\xff\xff"[..], b"\0", b"", b"\0\x3c\0\x3c\xff\xff"] {
            assert_eq!(made(METHOD, other.to_vec()), other);
        }
    }
}
