"""Models of a semivariogram (scikit-gstat's), fitted to its lags; what these do not show is flagged, not reported.

scikit-gstat's own fit keeps range and sill within the lags, and its effective range means another share in each model.
"""

import numpy as np
import pandas as pd

LEAST_RISE = 1e-6  # of the largest semivariance, of float32 features: less is rounding
FARTHEST = 5.0  # largest lags: the bound of a range in a fit
SHAPES = {"matern": (0.2, 5.0), "stable": (0.2, 2.0)}  # bounds of the shape that these models have besides
MODELS = ("spherical", "exponential", "gaussian", "matern", "stable")
FIT = {
    "model": "model function of scikit-gstat",
    "nugget": "fitted semivariance at distance 0+ [-]",
    "partial_sill": "fitted rise from nugget to sill [-]",
    "effective_range_m": "distance at which the fitted curve has 95 % of its rise; missing when flagged [m]",
    "flag": "why the range must not be used; empty when it may",
    "nugget_flag": "why the nugget is no estimate; empty when it is one",
    "theta": "range [m] and partial sill, then the shape of a Matern or stable; empty without a fit",
}


def semivariance(model, distance_m, nugget, theta):
    """Semivariance (n,) of a model at distances (n,) > 0, with the parameters that FIT calls theta."""
    from skgstat import models

    range_m, sill, *shape = theta
    share = np.asarray(getattr(models, model)(distance_m, range_m, 1.0, *shape))
    # the underflow of K at many ranges is the sill
    return nugget + sill * np.where(np.isfinite(share), share, 1.0)


def fit(lags, *, model="exponential", start=None):
    """Least-squares fit of a model to a table of lags with weights N / gamma(h; theta)^2: a dict with the keys of FIT.

    gamma is that of the fit itself (Cressie 1985). The lag of co-located pairs is left out, the scale of features says
    nothing. start: parameters (nugget, *theta) of an earlier fit. ValueError for an unknown model.
    """
    if model not in MODELS:
        raise ValueError(f"no model {model!r}: there are {', '.join(MODELS)}")
    filled = lags[(lags.pairs > 0) & (lags.distance_m > 0)]
    h, y, n = (filled[name].to_numpy(float) for name in ("distance_m", "semivariance", "pairs"))
    if len(h) < (least := 5 if model in SHAPES else 4):  # one more than there are parameters
        return flagged(model, f"only {len(h)} lags hold pairs, {least} are needed")
    if np.ptp(y) <= LEAST_RISE * y.max():
        return flagged(model, "no rise with distance")
    # a power of 100 that suits the tolerances: 1 for unit vectors, whose sills lie between 0.1 and 2
    unit = 100.0 ** round(np.log10(y.max()) / 2)
    units = np.array([unit, 1.0, unit, 1.0])[: least - 1]  # of nugget, range, sill and shape
    found = best_fit(model, h, y / unit, n, None if start is None else start * (1 / units))
    return flagged(model, "the fit did not converge") if found is None else reported(model, h, found * units)


def best_fit(model, h, y, n, start):
    """The parameters (nugget, *theta) of least weighted squares over some starts; None where none converged."""
    low, high = np.array([0.0, h.max() * 1e-4, 0.0]), np.array([y.max(), FARTHEST * h.max(), 10 * y.max()])
    if shape := SHAPES.get(model):
        low, high = np.append(low, shape[0]), np.append(high, shape[1])
    nugget, rise = 0.8 * y.min(), max(y.max() - 0.8 * y.min(), 1e-9)  # the nugget below the first lags
    several = [[nugget, h.max() * share, rise, *[1.0] * bool(shape)] for share in (0.1, 0.3, 0.7)]
    begins = (np.clip(begin, low + 1e-12, high - 1e-12) for begin in (several if start is None else [start]))
    fits = [found for begin in begins if (found := one_fit(model, h, y, n, begin, (low, high))) is not None]
    return min(fits, key=lambda found: found[1])[0] if fits else None


def one_fit(model, h, y, n, begin, limits):
    """(parameters, weighted squares) from one start; None where it does not converge."""
    from scipy.optimize import least_squares

    expected = lambda p: np.maximum(semivariance(model, h, p[0], p[1:]), LEAST_RISE)  # noqa: E731
    found, size = begin, np.maximum(np.abs(begin), 1e-6)
    for _ in range(12):  # rounds of weights, which settle after three to five
        scale = np.sqrt(n) / expected(found) / (np.sqrt(n) / expected(found)).max()
        residuals, last = lambda p, scale=scale: (semivariance(model, h, p[0], p[1:]) - y) * scale, found
        result = least_squares(residuals, found, bounds=limits, x_scale=size, max_nfev=400)  # to 1e-8
        found = result.x
        if result.status < 0 or not np.isfinite(found).all():
            return None
        if np.allclose(found, last, rtol=1e-4, atol=1e-9):
            break
    return found, float(((y / expected(found) - 1) ** 2 * n).sum())


def reported(model, h, found):
    """The dict of FIT of the parameters of a fit to lags at distances h."""
    nugget, theta = float(found[0]), [float(x) for x in found[1:]]
    sill = float(semivariance(model, np.array([1e3 * FARTHEST * h.max()]), 0.0, theta)[0])
    range_m, flag = effective_range_m(model, theta) if sill > 0 else np.nan, ""
    if not sill >= 1e-3 * (nugget + sill):
        flag = "no rise with distance"
    elif range_m > h.max():
        flag = "no sill within the largest lag"
    elif (h < range_m).sum() < 2:
        flag = "range too short to be resolved: fewer than two lags lie within it"
    bound = "at its bound 0: shorter lags or another model would tell" if nugget < 1e-6 * (nugget + sill) else ""
    return dict(zip(FIT, (model, nugget, sill, np.nan if flag else range_m, flag, bound, theta), strict=True))


def flagged(model, flag):
    """A fit without numbers, and why."""
    return dict(zip(FIT, (model, np.nan, np.nan, np.nan, flag, "", []), strict=True))


def effective_range_m(model, theta):
    """Distance [m] at which the rise of a model reaches 95 % of its partial sill, solved on the curve."""
    from scipy.optimize import brentq

    rise, far = lambda h: semivariance(model, np.array([h]), 0.0, theta)[0], 1e3 * theta[0]
    return float(brentq(lambda h: rise(h) - 0.95 * rise(far), 1e-6 * theta[0], far, xtol=1e-6 * theta[0], rtol=1e-12))


def curve(fitted, distance_m):
    """Semivariance (n,) of a fit at distances (n,) >= 0 in metres; NaN where there is no fit or no range."""
    if not fitted["effective_range_m"] > 0:
        return np.full(len(distance_m), np.nan)
    h = np.maximum(np.asarray(distance_m, float), 1e-9 * fitted["effective_range_m"])
    return semivariance(fitted["model"], h, fitted["nugget"], fitted["theta"])


def kernel_curve(fitted):
    """Lags (256,) [m] to twice the range and weights (256,) of the variogram kernel: 1 - gamma / (nugget + sill), or 0.

    ValueError with the flag's text without a range.
    """
    if fitted["flag"]:
        raise ValueError(f"no variogram kernel from this fit: {fitted['flag']}; choose a kernel with a bandwidth")
    lag_m = np.linspace(0, 2 * fitted["effective_range_m"], 256)
    share = 1 - curve(fitted, lag_m) / (fitted["nugget"] + fitted["partial_sill"])
    return lag_m.astype(np.float32), np.clip(share, 0, 1).astype(np.float32)


def fitted_curves(fits, *, max_lag_m):
    """The fitted curves as a table (city, distance_m, semivariance), for drawing."""
    distance_m = np.linspace(0, max_lag_m, 60)
    gamma = {fitted["city"]: curve(fitted, distance_m) for fitted in fits.to_dict("records")}
    table = pd.DataFrame(gamma, pd.Index(distance_m, name="distance_m")).reset_index()
    return table.melt("distance_m", var_name="city", value_name="semivariance").dropna()
