//! HLS files of record + snapshot: the playlist text, and segments as MPEG transport streams. Owns what is in them;
//! the packets are `mpeg_ts`, the picture is `h264`.

use std::fmt::Write as _;

use crate::clock::Millis;
use crate::{h264, mpeg_ts};

/// Ticks of a transport stream's clock in a millisecond.
const TICKS: u64 = 90;
/// Samples of an AAC frame, and their rate.
const AAC_FRAME: u64 = 1024;
const AAC_RATE: u64 = 48_000;
/// One frame of silence: AAC-LC, mono, 48 kHz, after its ADTS header.
const AAC_SILENCE: [u8; 13] = [0xFF, 0xF1, 0x4C, 0x40, 0x01, 0xBF, 0xFC, 0x01, 0x18, 0x20, 0x07, 0x00, 0x00];

/// A media playlist [RFC 8216]: segments and their lengths in milliseconds.
pub fn playlist(segments: &[(String, Millis)], ended: bool) -> String {
    let longest = segments.iter().map(|(_, length)| length.div_ceil(1000)).max().unwrap_or(1);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-ALLOW-CACHE:YES\n#EXT-X-TARGETDURATION:{longest}\n"
    );
    for (name, length) in segments {
        let _ = writeln!(text, "#EXTINF:{}.{:03},\n{name}", length / 1000, length % 1000);
    }
    if ended {
        text.push_str("#EXT-X-ENDLIST\n");
    }
    text
}

/// One picture a second of one colour for each user.
pub fn video_segment(uid: u32, start: Millis, length: Millis) -> Vec<u8> {
    let picture = h264::picture(uid);
    let mut stream = mpeg_ts::Stream::new(mpeg_ts::Media::H264);
    for at in (0..length).step_by(1000) {
        stream.frame((start + at) * TICKS, &picture);
    }
    stream.finish()
}

/// Silence.
pub fn audio_segment(start: Millis, length: Millis) -> Vec<u8> {
    let mut stream = mpeg_ts::Stream::new(mpeg_ts::Media::Aac);
    for frame in 0..(length * AAC_RATE / 1000).div_ceil(AAC_FRAME) {
        stream.frame(start * TICKS + frame * AAC_FRAME * 90_000 / AAC_RATE, &AAC_SILENCE);
    }
    stream.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_playlist_says_how_long_each_segment_is_and_whether_more_comes() {
        let segments = [("a.ts".to_owned(), 15_000), ("b.ts".to_owned(), 1_204)];
        let text = playlist(&segments, true);
        assert!(text.starts_with("#EXTM3U\n") && text.ends_with("#EXT-X-ENDLIST\n"));
        assert!(text.contains("#EXT-X-TARGETDURATION:15\n"));
        assert!(text.contains("#EXTINF:15.000,\na.ts\n#EXTINF:1.204,\nb.ts\n"));
        assert!(!playlist(&segments, false).contains("ENDLIST"));
    }

    #[test]
    fn segments_are_whole_packets_in_unbroken_order() {
        for bytes in [video_segment(7, 0, 3000), audio_segment(0, 3000), video_segment(9, 15_000, 1)] {
            assert_eq!(bytes.len() % 188, 0);
            let mut expected = 0;
            let mut media = 0;
            for packet in bytes.chunks(188) {
                assert_eq!(packet[0], 0x47);
                let pid = u16::from_be_bytes([packet[1] & 0x1F, packet[2]]);
                if pid == 0x0100 {
                    assert_eq!(packet[3] & 0x0F, expected, "continuity");
                    expected = (expected + 1) % 16;
                    media += 1;
                }
            }
            assert!(media > 0);
        }
    }

    #[test]
    fn a_user_has_a_colour_of_its_own() {
        assert_ne!(video_segment(7, 0, 1000), video_segment(8, 0, 1000));
    }
}
