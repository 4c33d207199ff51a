//! The variation of the delay, computed in integers: the same draw gives the same delay on every
//! machine. Floating-point functions differ between systems.

use std::time::Duration;

/// How the delay varies around its mean, independently for each datagram. Datagrams sent closer
/// together than the variation may arrive reordered.
///
/// The mean stays [`Conditions::delay`], and the variation must not exceed it ([`Jitter::by`]).
///
/// [`Conditions::delay`]: super::Conditions::delay
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// No variation.
    #[default]
    None,
    /// Uniform between the mean minus and plus this value, to the nanosecond, both ends included.
    Uniform(Duration),
    /// Normally distributed with this standard deviation, cut off at four deviations on both sides.
    /// A delay below zero becomes zero.
    ///
    /// The distribution function is tabulated at each 32nd of a deviation and interpolated
    /// linearly.
    Normal(Duration),
    /// Long-tailed, as where queues build up: a Pareto distribution of shape 3 (like netem's table,
    /// tc-netem(8)) with this standard deviation, shifted to the mean. The shortest delay is the
    /// mean minus 0.58 deviations; one in a thousand exceeds the mean by more than 9.8.
    ///
    /// The inverse distribution function is a cube root, which integers compute exactly.
    Pareto(Duration),
}

impl Jitter {
    /// The size of the variation: the greatest distance from the mean, or the standard deviation,
    /// depending on the variant.
    pub fn by(&self) -> Duration {
        match *self {
            Jitter::None => Duration::ZERO,
            Jitter::Uniform(by) | Jitter::Normal(by) | Jitter::Pareto(by) => by,
        }
    }

    /// Maps `draw`, uniform over 64 bits, to a delay.
    pub(super) fn around(&self, mean: Duration, draw: u64) -> Duration {
        match *self {
            Jitter::None => mean,
            Jitter::Uniform(spread) => uniform(mean, spread, draw),
            Jitter::Normal(deviation) => {
                let (below, distance) = (draw >> 63 == 1, normal(nanos(deviation), draw));
                let mean = nanos(mean);
                Duration::from_nanos(match below {
                    true => mean.saturating_sub(distance),
                    false => mean.saturating_add(distance),
                })
            }
            Jitter::Pareto(deviation) => pareto(mean, nanos(deviation), draw),
        }
    }
}

fn uniform(mean: Duration, spread: Duration, draw: u64) -> Duration {
    let shortest = nanos(mean.saturating_sub(spread));
    let longest = nanos(mean.saturating_add(spread));
    let count = u128::from(longest - shortest) + 1;
    // At most (2^64 - 1) * 2^64, so it fits, and the quotient is below `count`.
    let above = (u128::from(draw) * count) >> 64;
    Duration::from_nanos(shortest + above as u64)
}

/// Maps the lower 63 bits of a draw to a distance from the mean, in nanoseconds.
fn normal(deviation: u64, draw: u64) -> u64 {
    let draw = draw & (u64::MAX >> 1);
    let cell = NORMAL.partition_point(|&within| within <= draw).min(NORMAL.len() - 1);
    let below = if cell == 0 { 0 } else { NORMAL[cell - 1] };
    let deviation = u128::from(deviation);
    let part = deviation * u128::from(draw - below) / u128::from(NORMAL[cell] - below);
    let distance = (deviation * cell as u128 + part) / CELLS;
    u64::try_from(distance).unwrap_or(u64::MAX)
}

fn pareto(mean: Duration, deviation: u64, draw: u64) -> Duration {
    /// 2 / sqrt(3) and sqrt(3), times 2^32: the scale and the mean of a Pareto distribution of
    /// shape 3 with a standard deviation of 1.
    const SCALE: u128 = 4_959_401_049;
    const MEAN: u128 = 7_439_101_574;
    let deviation = u128::from(deviation);
    // A share u of all delays is longer than u^(-1/3) times the scale. With u = (draw + 1) / 2^64
    // this is that power, times 2^21.
    let power = cube_root((1 << 127) / (u128::from(draw) + 1));
    let length = (((deviation * SCALE) >> 32) * power) >> 21;
    let delay = (u128::from(nanos(mean)) + length).saturating_sub((deviation * MEAN) >> 32);
    Duration::from_nanos(u64::try_from(delay).unwrap_or(u64::MAX))
}

/// The integer cube root, rounded down.
fn cube_root(number: u128) -> u128 {
    // The cube root of 2^127 is below 2^43.
    (0..43).rev().fold(0_u128, |root, bit| {
        let larger = root | 1 << bit;
        if larger * larger * larger <= number { larger } else { root }
    })
}

/// Whole nanoseconds, saturating as [`Instant`](pigeon_datagram::Instant) does.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Table entries per standard deviation.
const CELLS: u128 = 32;

/// The probability that a normal variable cut off at 4 deviations is within 1/32, 2/32, ... of one,
/// times 2^63.
#[rustfmt::skip]
const NORMAL: [u64; 128] = [
    0x0330_f3dc_1278_beb6, 0x0661_1b98_f397_2562, 0x098f_abb0_6656_9f50, 0x0cbb_d9cd_5768_645d,
    0x0fe4_dd62_95f5_b7d7, 0x1309_f03f_54b4_b341, 0x162a_4f20_bc1d_43a2, 0x1945_3a3f_dba5_923b,
    0x1c59_f5db_4e37_8025, 0x1f67_cabb_ed7e_22f5, 0x226e_06b3_f829_d2a5, 0x256b_fd18_18c8_8e83,
    0x2861_0731_c53a_6658, 0x2b4c_84aa_7a07_6c9f, 0x2e2d_dbef_60d6_17f6, 0x3104_7a8c_fddc_1b94,
    0x33cf_d582_8d45_b70e, 0x368f_698c_c71c_8a19, 0x3942_bb67_ce12_c4f8, 0x3be9_5808_1ba5_7a89,
    0x3e82_d4ca_4a2c_45f7, 0x410e_cf99_ab89_0819, 0x438c_ef0d_a924_66dd, 0x45fc_e27d_f79f_ef00,
    0x485e_620d_b60b_4571, 0x4ab1_2ead_9d5e_073b, 0x4cf5_1215_7164_9803, 0x4f29_deb4_f01d_a928,
    0x514f_6f9c_87a5_0880, 0x5365_a85e_2524_98e3, 0x556c_74e6_78ce_a7e4, 0x5763_c94f_138f_cc48,
    0x594b_a1a9_cae7_0951, 0x5b24_01c5_d620_6253, 0x5cec_f4ef_1e01_f921, 0x5ea6_8da8_3cd2_384e,
    0x6050_e55f_b074_b16a, 0x61ec_1c20_c333_c901, 0x6378_5840_b1a9_bff7, 0x64f5_c608_9520_f20a,
    0x6664_975c_99b8_026d, 0x67c5_0361_06a3_c5ca, 0x6917_461d_9d18_50d7, 0x6a5b_a01f_cfc0_7fb8,
    0x6b92_561c_5144_bb35, 0x6cbb_b090_7445_12ec, 0x6dd7_fb63_d267_52ac, 0x6ee7_858a_aabf_b08e,
    0x6fea_a0a9_61fa_db7e, 0x70e1_a0b9_885b_c894, 0x71cc_dbb0_c2e8_1ba0, 0x72ac_a929_ee14_f9eb,
    0x7381_6210_c8fc_f30e, 0x744b_6050_70af_a5a7, 0x750a_fe84_eb95_a73c, 0x75c0_97af_fd3f_3d5f,
    0x766c_86f1_7352_3265, 0x770f_2743_14b9_475f, 0x77a8_d338_54c4_5874, 0x7839_e4c1_e4a0_1f23,
    0x78c2_b4f5_367b_7135, 0x7943_9bd7_fee0_aa15, 0x79bc_f02f_ba46_2fc1, 0x7a2f_0755_36a9_285d,
    0x7a9a_350c_1b30_b4b4, 0x7afe_cb5e_6264_690e, 0x7b5d_1a7b_b673_24df, 0x7bb5_709c_9a63_87e8,
    0x7c08_19e9_46cf_ad09, 0x7c55_6064_1d04_0a06, 0x7c9d_8bd7_8ffd_d1bd, 0x7ce0_e1c7_5fd7_7eec,
    0x7d1f_a565_01b0_dc6c, 0x7d5a_1787_0c08_bcc1, 0x7d90_76a3_7dce_a3c3, 0x7dc2_fecc_b526_4333,
    0x7df1_e9b0_e9e9_95ff, 0x7e1d_6e9b_ff63_d943, 0x7e45_c27b_8082_696f, 0x7e6b_17e4_99cb_15d8,
    0x7e8d_9f1b_e4c3_f5b1, 0x7ead_861e_d919_236a, 0x7eca_f8ae_b8aa_d0a1, 0x7ee6_205c_ccc3_a681,
    0x7eff_2497_cbfe_1d77, 0x7f16_2aba_41d1_327e, 0x7f2b_5619_d253_8bde, 0x7f3e_c817_3679_ced7,
    0x7f50_a02e_cee3_e369, 0x7f60_fc09_ad2f_b071, 0x7f6f_f78e_f5b9_4357, 0x7f7d_acf5_7dab_72c6,
    0x7f8a_34d5_8b44_44a0, 0x7f95_a63a_a031_73e6, 0x7fa0_16b5_37e7_7c26, 0x7fa9_9a6c_65cd_00ce,
    0x7fb2_442f_4102_0f03, 0x7fba_2586_0d6b_c2ca, 0x7fc1_4ec3_137e_c9f0, 0x7fc7_cf13_1a03_f5a4,
    0x7fcd_b48d_76bf_b9bc, 0x7fd3_0c43_ac7e_a438, 0x7fd7_e250_8e8c_53a5, 0x7fdc_41e6_e307_5d67,
    0x7fe0_355f_7eda_50b9, 0x7fe3_c646_d760_32f5, 0x7fe6_fd6a_06e1_544e, 0x7fe9_e2e3_4224_451f,
    0x7fec_7e25_be46_4835, 0x7fee_d609_06ef_4da4, 0x7ff0_f0d3_c5bf_e165, 0x7ff2_d445_fc8c_3fdf,
    0x7ff4_85a2_b497_c2d1, 0x7ff6_09b9_258f_fc72, 0x7ff7_64ed_5780_1935, 0x7ff8_9b40_435c_8d21,
    0x7ff9_b057_761d_bd00, 0x7ffa_a784_3aa7_59fc, 0x7ffb_83ca_4ef2_a6c3, 0x7ffc_47e6_291c_f82d,
    0x7ffc_f652_d11a_95e9, 0x7ffd_914f_53e1_c383, 0x7ffe_1ae3_d4eb_4104, 0x7ffe_94e6_42e6_0688,
    0x7fff_00fe_b474_5f72, 0x7fff_60ab_71b9_cc8d, 0x7fff_b544_af6c_2105, 0x8000_0000_0000_0000,
];

#[cfg(test)]
mod tests {
    use super::*;

    const MEAN: Duration = Duration::from_nanos(100_000);
    const BY: Duration = Duration::from_nanos(10_000);

    fn drawn(jitter: Jitter, draw: u64) -> u128 {
        jitter.around(MEAN, draw).as_nanos()
    }

    #[test]
    fn uniform_reaches_both_ends_and_no_further() {
        assert_eq!(drawn(Jitter::Uniform(BY), 0), 90_000);
        assert_eq!(drawn(Jitter::Uniform(BY), u64::MAX), 110_000);
        let endless = Jitter::Uniform(Duration::MAX);
        assert_eq!(endless.around(Duration::MAX, u64::MAX), Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn normal_has_the_quantiles_of_the_standard_tables() {
        // Half are within 0.6745 deviations of the mean, 95 % within 1.96.
        let within = |share: f64| (share / 0.999_936_66 * (1_u64 << 63) as f64) as u64;
        for (share, distance) in [(0.0, 0_u128), (0.5, 6_745), (0.6827, 10_000), (0.95, 19_600)] {
            let above = drawn(Jitter::Normal(BY), within(share));
            assert!(above.abs_diff(100_000 + distance) < 5, "{share}: {above}");
            let below = drawn(Jitter::Normal(BY), within(share) | 1 << 63);
            assert!(below.abs_diff(100_000 - distance) < 5, "{share}: {below}");
        }
        assert_eq!(drawn(Jitter::Normal(BY), u64::MAX >> 1), 139_999);
        assert_eq!(Jitter::Normal(MEAN).around(MEAN, u64::MAX), Duration::ZERO);
    }

    #[test]
    fn pareto_has_its_quantiles() {
        // The shortest; the median, at 2^(1/3) times the scale; one in a thousand, at ten times the
        // scale.
        assert!(drawn(Jitter::Pareto(BY), u64::MAX).abs_diff(94_226) < 3);
        assert!(drawn(Jitter::Pareto(BY), u64::MAX / 2).abs_diff(97_227) < 3);
        assert!(drawn(Jitter::Pareto(BY), u64::MAX / 1_000).abs_diff(198_149) < 3);
        assert!(drawn(Jitter::Pareto(MEAN), u64::MAX) > 0);
    }

    #[test]
    fn nothing_overflows() {
        for jitter in [Jitter::Normal, Jitter::Pareto, Jitter::Uniform] {
            for draw in [0, 1, u64::MAX >> 1, 1 << 63, u64::MAX] {
                let longest = jitter(Duration::MAX).around(Duration::MAX, draw);
                assert!(longest <= Duration::from_nanos(u64::MAX));
            }
        }
    }

    #[test]
    fn cube_roots_are_exact() {
        for root in [0, 1, 2, 1_000_003, (1 << 42) + 12_345] {
            let cube = root * root * root;
            assert_eq!(cube_root(cube), root);
            assert_eq!(cube_root(cube + 1), root + u128::from(root == 0));
        }
        assert_eq!(cube_root((1 << 63) - 1), (1 << 21) - 1);
    }
}
