//! Numbers and texts as few bytes: what frames and the heads of segments are made of.

/// Why bytes cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// Seven bits a byte, the lowest first.
pub(crate) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(low_byte(number) | 0x80);
        number >>= 7;
    }
    bytes.push(low_byte(number));
}

/// Numbers near zero, of either sign, are short.
pub(crate) fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put(
        bytes,
        (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned(),
    );
}

/// Its length and itself.
pub(crate) fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

const fn low_byte(number: u64) -> u8 {
    (number & 0xff) as u8
}

/// What is left to be read.
#[derive(Debug)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next byte.
    pub(crate) fn byte(&mut self) -> Result<u8, Unreadable> {
        let (first, rest) = self.0.split_first().ok_or(Unreadable("it ends too early"))?;
        self.0 = rest;
        Ok(*first)
    }

    /// So many bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Unreadable("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// So many bytes, known beforehand.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (taken, rest) = self
            .0
            .split_first_chunk()
            .ok_or(Unreadable("it ends too early"))?;
        self.0 = rest;
        Ok(*taken)
    }

    /// What [`put`] wrote.
    pub(crate) fn number(&mut self) -> Result<u64, Unreadable> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Unreadable("a number is too long"))
    }

    /// What [`put_signed`] wrote.
    pub(crate) fn signed(&mut self) -> Result<i64, Unreadable> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    /// A number of things, each of which takes a byte at least: what is left bounds what is reserved for them.
    pub(crate) fn count(&mut self) -> Result<usize, Unreadable> {
        let count = usize::try_from(self.number()?).map_err(|_| Unreadable("a count is too large"))?;
        if count > self.0.len() {
            return Err(Unreadable("a count is too large"));
        }
        Ok(count)
    }

    /// What [`put_text`] wrote.
    pub(crate) fn text(&mut self) -> Result<&'a str, Unreadable> {
        let count = self.count()?;
        std::str::from_utf8(self.take(count)?).map_err(|_| Unreadable("a text is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_what_is_cut_short_does_not() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put(&mut bytes, number);
            assert_eq!(Bytes(&bytes).number(), Ok(number));
            assert!(Bytes(&bytes[..bytes.len() - 1]).number().is_err(), "{number}");
        }
        for number in [0, -1, 1, -64, 64, i64::MIN, i64::MAX] {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, number);
            assert_eq!(Bytes(&bytes).signed(), Ok(number));
        }
        assert!(Bytes(&[0xff; 10]).number().is_err(), "more than 64 bits");
    }

    #[test]
    fn texts_come_back_and_lengths_beyond_the_end_are_refused() {
        let mut bytes = Vec::new();
        put_text(&mut bytes, "Gezeitentor ⛵");
        assert_eq!(Bytes(&bytes).text(), Ok("Gezeitentor ⛵"));
        bytes.pop();
        assert!(Bytes(&bytes).text().is_err());
        assert!(Bytes(&[2, 0xff, 0xff]).text().is_err(), "no UTF-8");
    }
}
