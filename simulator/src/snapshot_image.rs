//! Snapshots as pictures: a JPEG whose colour belongs to the user and whose text says channel, uid, time and number,
//! so that a person can tell two of them apart.

use font8x8::legacy::BASIC_LEGACY;
use jpeg_encoder::{ColorType, Encoder, EncodingError};

use crate::clock::{Millis, rfc3339};

/// Side of a letter of the font, in dots.
const GLYPH: usize = 8;
/// Pixels around the text.
const MARGIN: usize = 16;
const QUALITY: u8 = 80;
const INK: [u8; 3] = [255, 255, 255];

/// What a snapshot shows.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Channel name.
    pub cname: &'a str,
    /// Whose video.
    pub uid: u32,
    /// Wall time of the capture.
    pub wall: Millis,
    /// Number in this user's sequence.
    pub sequence: u64,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
}

/// Draws a snapshot.
pub fn draw(scene: Scene<'_>) -> Result<Vec<u8>, EncodingError> {
    let (width, height) = (usize::from(scene.width), usize::from(scene.height));
    let mut pixels = background(scene.uid).repeat(width * height);
    let lines = [
        format!("channel {}", scene.cname),
        format!("uid {}", scene.uid),
        rfc3339(scene.wall),
        format!("snapshot {}", scene.sequence),
    ];
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(1).max(1);
    let scale = (width.saturating_sub(2 * MARGIN) / (longest * GLYPH)).clamp(1, 4);
    for (row, line) in lines.iter().enumerate() {
        let top = MARGIN + row * (GLYPH + 4) * scale;
        for (column, letter) in line.chars().enumerate() {
            stamp(&mut pixels, width, (MARGIN + column * GLYPH * scale, top), scale, letter);
        }
    }
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, QUALITY).encode(&pixels, scene.width, scene.height, ColorType::Rgb)?;
    Ok(jpeg)
}

/// A colour for each uid, dark enough for white text.
fn background(uid: u32) -> [u8; 3] {
    let mixed = uid.wrapping_mul(0x9E37_79B1).to_le_bytes();
    [mixed[1] / 2, mixed[2] / 2, mixed[3] / 2]
}

fn stamp(pixels: &mut [u8], width: usize, (left, top): (usize, usize), scale: usize, letter: char) {
    let glyph = BASIC_LEGACY.get(letter as usize).unwrap_or(&BASIC_LEGACY[usize::from(b'?')]);
    for (y, bits) in glyph.iter().enumerate() {
        for x in (0..GLYPH).filter(|x| bits & (1 << x) != 0) {
            for dy in 0..scale {
                let (from, line) = (left + x * scale, top + y * scale + dy);
                if from + scale > width {
                    continue;
                }
                let start = (line * width + from) * INK.len();
                if let Some(run) = pixels.get_mut(start..start + scale * INK.len()) {
                    run.as_chunks_mut::<3>().0.fill(INK);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENE: Scene<'_> =
        Scene { cname: "lobby", uid: 7, wall: 1_700_000_000_000, sequence: 1, width: 640, height: 360 };

    #[test]
    fn it_is_a_whole_jpeg_of_the_wanted_size() {
        let jpeg = draw(SCENE).unwrap();
        assert_eq!((&jpeg[..3], &jpeg[jpeg.len() - 2..]), (&[0xFF, 0xD8, 0xFF][..], &[0xFF, 0xD9][..]));
        // Start of frame: marker, length, precision, height, width.
        let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
        assert_eq!(jpeg[frame + 5..frame + 9], [1, 104, 2, 128]);
    }

    #[test]
    fn everything_that_tells_two_apart_is_in_the_picture() {
        let first = draw(SCENE).unwrap();
        let others = [
            Scene { cname: "lobbz", ..SCENE },
            Scene { uid: 8, ..SCENE },
            Scene { wall: 1_700_000_000_001, ..SCENE },
            Scene { sequence: 2, ..SCENE },
        ];
        for other in others {
            assert_ne!(draw(other).unwrap(), first, "{other:?}");
        }
    }

    #[test]
    fn a_long_name_in_a_small_picture_is_cut_not_wrapped() {
        let name = "x".repeat(63);
        assert!(draw(Scene { cname: &name, width: 320, height: 180, ..SCENE }).is_ok());
    }
}
