//! MPEG transport streams [ISO 13818-1] with one elementary stream: program tables, packets, timestamps. Owns nothing
//! of what the stream shows.

/// Size of a packet.
const PACKET: usize = 188;
const PAT_PID: u16 = 0;
const PMT_PID: u16 = 0x1000;
const MEDIA_PID: u16 = 0x0100;
/// Presentation begins this many ticks after the clock reference, so that a decoder has time to fill.
const LEAD: u64 = 63_000;

/// What the elementary stream is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Media {
    /// H.264 in Annex B form.
    H264,
    /// AAC in ADTS frames.
    Aac,
}

/// A transport stream in the making.
#[derive(Debug)]
pub struct Stream {
    media: Media,
    bytes: Vec<u8>,
    continuity: u8,
}

impl Stream {
    /// A stream that begins with its program tables.
    pub fn new(media: Media) -> Self {
        let (stream_type, pcr) = match media {
            Media::H264 => (0x1B, MEDIA_PID),
            Media::Aac => (0x0F, MEDIA_PID),
        };
        let mut bytes = Vec::new();
        let [pmt_high, pmt_low] = (0xE000 | PMT_PID).to_be_bytes();
        bytes.extend(table(PAT_PID, 0x00, &[0x00, 0x01, pmt_high, pmt_low]));
        let [pcr_high, pcr_low] = (0xE000 | pcr).to_be_bytes();
        let [pid_high, pid_low] = (0xE000 | MEDIA_PID).to_be_bytes();
        let program = [pcr_high, pcr_low, 0xF0, 0x00, stream_type, pid_high, pid_low, 0xF0, 0x00];
        bytes.extend(table(PMT_PID, 0x02, &program));
        Self { media, bytes, continuity: 0 }
    }

    /// Adds a frame that is shown at a time of the 90 kHz clock.
    pub fn frame(&mut self, at: u64, data: &[u8]) {
        let stream_id = if self.media == Media::H264 { 0xE0 } else { 0xC0 };
        let mut pes = vec![0x00, 0x00, 0x01, stream_id];
        // A length of zero is allowed for video alone; audio frames are far below the limit of 16 bits.
        let length = match self.media {
            Media::H264 => 0,
            Media::Aac => u16::try_from(data.len() + 8).unwrap_or(0),
        };
        pes.extend(length.to_be_bytes());
        pes.extend([0x80, 0x80, 5]);
        pes.extend(timestamp(at + LEAD));
        pes.extend(data);
        let mut rest = pes.as_slice();
        let mut first = true;
        while !rest.is_empty() {
            rest = self.packet(rest, first.then_some(at));
            first = false;
        }
    }

    /// The stream as a file.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes one packet and gives back what did not fit.
    fn packet<'a>(&mut self, data: &'a [u8], clock: Option<u64>) -> &'a [u8] {
        let mut adaptation: Vec<u8> = match clock {
            Some(clock) => [&[0x50][..], &clock_reference(clock)].concat(),
            None => Vec::new(),
        };
        let taken = |adaptation: &[u8]| if adaptation.is_empty() { 4 } else { 5 + adaptation.len() };
        let room = PACKET - taken(&adaptation);
        if data.len() < room {
            let missing = room - data.len();
            if !adaptation.is_empty() {
                adaptation.resize(adaptation.len() + missing, 0xFF);
            } else if missing > 1 {
                // Length byte and flags count too.
                adaptation.push(0x00);
                adaptation.resize(missing - 1, 0xFF);
            }
        }
        let stuffed_by_one = adaptation.is_empty() && data.len() + 1 == room;
        let [high, low] = MEDIA_PID.to_be_bytes();
        let start = if clock.is_some() { 0x40 } else { 0x00 };
        let has_adaptation = !adaptation.is_empty() || stuffed_by_one;
        let control = if has_adaptation { 0x30 } else { 0x10 };
        self.bytes.extend([0x47, start | high, low, control | self.continuity]);
        if has_adaptation {
            self.bytes.push(u8::try_from(adaptation.len()).unwrap_or(u8::MAX));
            self.bytes.extend(&adaptation);
        }
        self.continuity = (self.continuity + 1) % 16;
        let room = PACKET - taken(&adaptation) - usize::from(stuffed_by_one);
        let (now, later) = data.split_at(room.min(data.len()));
        self.bytes.extend(now);
        later
    }
}

/// A program table in one packet.
fn table(pid: u16, table_id: u8, body: &[u8]) -> Vec<u8> {
    // Five bytes of header after the length, and four of checksum.
    let [length_high, length_low] = (0xB000 | u16::try_from(body.len() + 9).unwrap_or(0)).to_be_bytes();
    let mut section = vec![table_id, length_high, length_low, 0x00, 0x01, 0xC1, 0x00, 0x00];
    section.extend(body);
    section.extend(checksum(&section).to_be_bytes());
    let [high, low] = pid.to_be_bytes();
    let mut packet = vec![0x47, 0x40 | high, low, 0x10, 0x00];
    packet.extend(section);
    packet.resize(PACKET, 0xFF);
    packet
}

/// CRC-32/MPEG-2.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| {
            if crc & 0x8000_0000 == 0 { crc << 1 } else { (crc << 1) ^ 0x04C1_1DB7 }
        })
    })
}

/// A presentation time: 33 bits between marker bits.
fn timestamp(at: u64) -> [u8; 5] {
    let part = |shift: u32, mask: u64| (at >> shift & mask) as u8;
    [
        0x21 | part(30, 0x07) << 1,
        part(22, 0xFF),
        part(15, 0x7F) << 1 | 1,
        part(7, 0xFF),
        part(0, 0x7F) << 1 | 1,
    ]
}

/// A program clock reference: 33 bits, six reserved ones, and an extension of zero.
fn clock_reference(at: u64) -> [u8; 6] {
    let part = |shift: u32| (at >> shift) as u8;
    [part(25), part(17), part(9), part(1), (part(0) & 1) << 7 | 0x7E, 0x00]
}
