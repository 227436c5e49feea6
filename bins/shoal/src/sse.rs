//! Server-Sent Events, read piece by piece as the network delivers them (WHATWG HTML, section 9.2).

/// Longer messages cannot be the controller's; what belongs to one is dropped with it.
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// One message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The last id the stream told, to resume after it.
    pub(crate) id: Option<String>,
    pub(crate) data: String,
}

/// Collects bytes into messages. Comments and members that nobody needs here are skipped.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    line: Vec<u8>,
    after_carriage_return: bool,
    data: Option<String>,
    id: Option<String>,
    overlong: bool,
}

impl Reader {
    /// The messages that `bytes` completes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Message> {
        let mut messages = Vec::new();
        for &byte in bytes {
            let second_half = byte == b'\n' && self.after_carriage_return;
            self.after_carriage_return = byte == b'\r';
            match byte {
                b'\n' if second_half => {}
                b'\n' | b'\r' => messages.extend(self.end_of_line()),
                _ if self.line.len() < MAX_MESSAGE_BYTES => self.line.push(byte),
                _ => self.overlong = true,
            }
        }
        messages
    }

    fn end_of_line(&mut self) -> Option<Message> {
        let bytes = std::mem::take(&mut self.line);
        if bytes.is_empty() {
            let data = self.data.take();
            let dropped = std::mem::take(&mut self.overlong);
            return data.filter(|_| !dropped).map(|data| Message { id: self.id.clone(), data });
        }
        let line = String::from_utf8_lossy(&bytes);
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => self.append(value),
            // A header value must be able to carry it back.
            "id" if value.bytes().all(|b| b.is_ascii_graphic()) => self.id = Some(value.to_owned()),
            _ => {}
        }
        None
    }

    fn append(&mut self, value: &str) {
        let data = self.data.get_or_insert_default();
        if data.len() + value.len() > MAX_MESSAGE_BYTES {
            self.overlong = true;
            return;
        }
        if !data.is_empty() {
            data.push('\n');
        }
        data.push_str(value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = ": keep-alive\n\nid: 4\nevent: phase\ndata: {\"a\":\ndata: 1}\n\n\
                          retry: 5\r\ndata:é\r\n\r\nid: 5\rdata: z\r\r";

    fn message(id: &str, data: &str) -> Message {
        Message { id: Some(id.to_owned()), data: data.to_owned() }
    }

    #[test]
    fn messages_are_the_same_however_the_network_cuts_them() {
        let expected = [message("4", "{\"a\":\n1}"), message("4", "é"), message("5", "z")];

        for size in 1..=STREAM.len() {
            let mut reader = Reader::default();
            let pieces = STREAM.as_bytes().chunks(size);
            let read: Vec<_> = pieces.flat_map(|piece| reader.feed(piece)).collect();
            assert_eq!(read, expected, "pieces of {size}");
        }
    }

    #[test]
    fn an_unfinished_message_is_no_message() {
        assert!(Reader::default().feed(b"id: 1\ndata: {}\n").is_empty());
    }

    #[test]
    fn an_overlong_message_is_dropped_and_the_next_one_is_read() {
        let mut reader = Reader::default();
        let long = format!("data: {}\n\ndata: next\n\n", "x".repeat(MAX_MESSAGE_BYTES + 10));

        let read = reader.feed(long.as_bytes());

        assert_eq!(read, [Message { id: None, data: "next".to_owned() }]);
    }

    #[test]
    fn an_id_that_no_header_could_carry_is_not_taken() {
        let read = Reader::default().feed("id: a\u{7}b\ndata: x\n\n".as_bytes());

        assert_eq!(read, [Message { id: None, data: "x".to_owned() }]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_the_same_messages_however_they_are_cut(
            stream in proptest::collection::vec(line(), 0..12),
            cuts in proptest::collection::vec(1..9_usize, 1..40),
        ) {
            let stream = stream.concat();
            let whole = Reader::default().feed(&stream);
            let (mut reader, mut rest, mut pieces) = (Reader::default(), stream.as_slice(), Vec::new());
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                pieces.extend(reader.feed(piece));
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(&pieces, &whole);
            let ids = whole.iter().filter_map(|message| message.id.as_ref());
            prop_assert!(ids.into_iter().all(|id| id.bytes().all(|b| b.is_ascii_graphic())));
        }
    }

    fn line() -> impl Strategy<Value = Vec<u8>> {
        let text = "(data|id|event|retry|x)?:? ?[ -~é]{0,12}".prop_map(String::into_bytes);
        let content = prop_oneof![3 => text, 1 => proptest::collection::vec(any::<u8>(), 0..12)];
        let end = prop_oneof![Just("\n"), Just("\r"), Just("\r\n"), Just("\n\n"), Just("")];
        (content, end).prop_map(|(mut line, end)| {
            line.extend(end.bytes());
            line
        })
    }
}
