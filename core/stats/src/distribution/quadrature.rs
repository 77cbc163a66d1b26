//! Tail integrals of densities that are logarithmically concave, by the rule of Gauss and Legendre.

/// Where the integrand has become e^-37 of what it was, nothing is left to add.
const NEGLIGIBLE: f64 = 37.0;
/// Newton steps to that point. It needs not be met exactly.
const STEPS: u32 = 4;

/// The positive nodes of the rule with 32 nodes on (-1, 1), and their weights.
const NODES: [(f64, f64); 16] = [
    (0.04830766568773832, 0.0965400885147278),
    (0.1444719615827965, 0.09563872007927486),
    (0.23928736225213706, 0.09384439908080457),
    (0.33186860228212767, 0.09117387869576389),
    (0.42135127613063533, 0.08765209300440381),
    (0.5068999089322294, 0.08331192422694675),
    (0.5877157572407623, 0.07819389578707031),
    (0.6630442669302152, 0.0723457941088485),
    (0.7321821187402897, 0.06582222277636185),
    (0.7944837959679424, 0.058684093478535544),
    (0.84936761373257, 0.050998059262376175),
    (0.8963211557660521, 0.04283589802222668),
    (0.9349060759377397, 0.03427386291302143),
    (0.9647622555875064, 0.02539206530926206),
    (0.9856115115452684, 0.01627439473090567),
    (0.9972638618494816, 0.007018610009470096),
];

/// `exp(-g)` integrated from 0 to infinity, where `g` is convex with `g(0) = 0`, the first derivative `slope`
/// and the second `curvature` there, and `derivative` anywhere. Close to a normal or an exponential tail
/// it is exact to 1e-14.
pub(super) fn tail(
    slope: f64,
    curvature: f64,
    g: impl Fn(f64) -> f64,
    derivative: impl Fn(f64) -> f64,
) -> f64 {
    let mut end = 2.0 * NEGLIGIBLE / (slope + (slope * slope + 2.0 * curvature * NEGLIGIBLE).sqrt());
    for _ in 0..STEPS {
        end -= (g(end) - NEGLIGIBLE) / derivative(end);
    }
    let half = end / 2.0;
    let pairs = NODES.iter().map(|(node, weight)| {
        let (left, right) = (half * (1.0 - node), half * (1.0 + node));
        weight * ((-g(left)).exp() + (-g(right)).exp())
    });
    half * pairs.sum::<f64>()
}
