//! The smallest H.264 that every decoder takes: one uncompressed picture (macroblocks of type I_PCM) in Annex B form.
//! Owns its bits; who shows it when is no concern of this file.

/// Macroblocks of 16 by 16 pixels across and down.
const ACROSS: u32 = 4;
const DOWN: u32 = 3;
/// Samples of a macroblock: 16 x 16 of luma, twice 8 x 8 of chroma.
const LUMA: usize = 256;
const CHROMA: usize = 64;
/// `mb_type` I_PCM in an I slice.
const I_PCM: u32 = 25;

/// An access unit (delimiter, parameter sets, one IDR picture) of 64 by 48 pixels in the user's colour.
pub fn picture(uid: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Access unit delimiter: only I slices.
    unit(&mut bytes, 0x09, &[0x10]);
    unit(&mut bytes, 0x67, &sequence_parameters());
    unit(&mut bytes, 0x68, &picture_parameters());
    unit(&mut bytes, 0x65, &slice(uid));
    bytes
}

fn sequence_parameters() -> Vec<u8> {
    let mut bits = Bits::default();
    // Constrained baseline, level 1.0.
    bits.put(66, 8);
    bits.put(0xC0, 8);
    bits.put(10, 8);
    bits.golomb(0); // seq_parameter_set_id
    bits.golomb(0); // log2_max_frame_num_minus4
    bits.golomb(2); // pic_order_cnt_type: output order is decoding order
    bits.golomb(1); // max_num_ref_frames
    bits.put(0, 1); // gaps_in_frame_num_value_allowed_flag
    bits.golomb(ACROSS - 1);
    bits.golomb(DOWN - 1);
    bits.put(1, 1); // frame_mbs_only_flag
    bits.put(1, 1); // direct_8x8_inference_flag
    bits.put(0, 1); // frame_cropping_flag
    bits.put(0, 1); // vui_parameters_present_flag
    bits.end()
}

fn picture_parameters() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.golomb(0); // pic_parameter_set_id
    bits.golomb(0); // seq_parameter_set_id
    bits.put(0, 1); // entropy_coding_mode_flag: CAVLC
    bits.put(0, 1); // bottom_field_pic_order_in_frame_present_flag
    bits.golomb(0); // num_slice_groups_minus1
    bits.golomb(0); // num_ref_idx_l0_default_active_minus1
    bits.golomb(0); // num_ref_idx_l1_default_active_minus1
    bits.put(0, 3); // weighted_pred_flag, weighted_bipred_idc
    bits.golomb(0); // pic_init_qp_minus26
    bits.golomb(0); // pic_init_qs_minus26
    bits.golomb(0); // chroma_qp_index_offset
    bits.put(1, 1); // deblocking_filter_control_present_flag
    bits.put(0, 2); // constrained_intra_pred_flag, redundant_pic_cnt_present_flag
    bits.end()
}

fn slice(uid: u32) -> Vec<u8> {
    let mixed = uid.wrapping_mul(0x9E37_79B1).to_le_bytes();
    let mut bits = Bits::default();
    bits.golomb(0); // first_mb_in_slice
    bits.golomb(7); // slice_type: I, and so are all others
    bits.golomb(0); // pic_parameter_set_id
    bits.put(0, 4); // frame_num
    bits.golomb(0); // idr_pic_id
    bits.put(0, 2); // no_output_of_prior_pics_flag, long_term_reference_flag
    bits.golomb(0); // slice_qp_delta
    bits.golomb(1); // disable_deblocking_filter_idc: off
    for _ in 0..ACROSS * DOWN {
        bits.golomb(I_PCM);
        bits.align();
        // Video range: luma 16 to 235, chroma around 128; never 0, so that no start code can appear.
        bits.bytes.extend([64 + mixed[1] / 2; LUMA]);
        bits.bytes.extend([64 + mixed[2] / 2; CHROMA]);
        bits.bytes.extend([64 + mixed[3] / 2; CHROMA]);
    }
    bits.end()
}

/// Appends a NAL unit with its start code; bytes that would look like one are escaped.
fn unit(bytes: &mut Vec<u8>, header: u8, payload: &[u8]) {
    bytes.extend([0, 0, 0, 1, header]);
    let mut zeros = 0;
    for byte in payload {
        if zeros == 2 && *byte <= 3 {
            bytes.push(3);
            zeros = 0;
        }
        bytes.push(*byte);
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
    }
}

/// Bits from the most significant one on.
#[derive(Debug, Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Bits in use of the last byte; 0 when it is full.
    used: u8,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if value >> shift & 1 == 1
                && let Some(last) = self.bytes.last_mut()
            {
                *last |= 0x80 >> self.used;
            }
            self.used = (self.used + 1) % 8;
        }
    }

    /// An unsigned exponential Golomb code. Zero looks the same as the signed zero, the only signed value needed.
    fn golomb(&mut self, value: u32) {
        let length = 32 - (value + 1).leading_zeros();
        self.put(0, length - 1);
        self.put(value + 1, length);
    }

    /// Zero bits up to the next byte.
    fn align(&mut self) {
        self.used = 0;
    }

    /// The stop bit and what it needs to fill a byte.
    fn end(mut self) -> Vec<u8> {
        self.put(1, 1);
        self.bytes
    }
}
