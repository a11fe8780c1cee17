#!/usr/bin/python3
"""Checks that the colours of states in a style sheet stay apart for everybody.

usage: colours.py [--minimum N] [STYLE.CSS]

Reads the custom properties --state-NAME of the light and the dark theme, and the background that
they lie on (--surface). For every pair of states it takes the colour difference CIEDE2000 as seen
with normal sight and by people without green, red or blue cones (matrices of Machado, Oliveira and
Fernandes 2009, full severity, applied to linear light); each must be larger than the minimum (10).
Each colour must also have a contrast of 3:1 with the surface (WCAG 2.2, 1.4.11). Prints TAP.
"""
import math
import os
import re
import sys

SIGHTS = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanope": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
                  (-0.003882, -0.048116, 1.051998)),
    "deuteranope": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
                    (-0.011820, 0.042940, 0.968881)),
    "tritanope": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602),
                  (0.004733, 0.691367, 0.303900)),
}


def linear(hex_colour):
    parts = [int(hex_colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]


def seen(rgb, sight):
    return [min(1.0, max(0.0, sum(m * c for m, c in zip(row, rgb)))) for row in SIGHTS[sight]]


def lab(rgb):
    r, g, b = rgb
    xyz = ((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047,
           0.2126729 * r + 0.7151522 * g + 0.0721750 * b,
           (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883)
    fx, fy, fz = (c ** (1 / 3) if c > 216 / 24389 else (24389 / 27 * c + 16) / 116 for c in xyz)
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def ciede2000(one, two):
    l1, a1, b1 = one
    l2, a2, b2 = two
    mean_c = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(mean_c ** 7 / (mean_c ** 7 + 25 ** 7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1 = math.degrees(math.atan2(b1, a1)) % 360 if c1 else 0.0
    h2 = math.degrees(math.atan2(b2, a2)) % 360 if c2 else 0.0
    if c1 * c2 == 0:
        dh, mean_h = 0.0, h1 + h2
    else:
        dh = (h2 - h1 + 180) % 360 - 180
        mean_h = (h1 + h2) / 2
        if abs(h1 - h2) > 180:
            mean_h += 180 if h1 + h2 < 360 else -180
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    t = (1 - 0.17 * math.cos(math.radians(mean_h - 30)) + 0.24 * math.cos(math.radians(2 * mean_h))
         + 0.32 * math.cos(math.radians(3 * mean_h + 6))
         - 0.20 * math.cos(math.radians(4 * mean_h - 63)))
    s_l = 1 + 0.015 * (mean_l - 50) ** 2 / math.sqrt(20 + (mean_l - 50) ** 2)
    s_c, s_h = 1 + 0.045 * mean_c, 1 + 0.015 * mean_c * t
    r_t = (-2 * math.sqrt(mean_c ** 7 / (mean_c ** 7 + 25 ** 7))
           * math.sin(math.radians(60 * math.exp(-(((mean_h - 275) / 25) ** 2)))))
    d_l, d_c = (l2 - l1) / s_l, (c2 - c1) / s_c
    d_h = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(dh / 2)) / s_h
    return math.sqrt(d_l ** 2 + d_c ** 2 + d_h ** 2 + r_t * d_c * d_h)


def contrast(one, two):
    light, dark = sorted((0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]
                          for c in (linear(one), linear(two))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def themes(css):
    """The custom properties of every block that names states, by its selector."""
    for selector, body in re.findall(r"([^{}]+)\{([^{}]*--state-[a-z]+:[^{}]*)\}", css):
        values = dict(re.findall(r"--([a-z0-9-]+):\s*(#[0-9a-fA-F]{6})\s*;", body))
        yield " ".join(re.sub(r"/\*.*?\*/", "", selector, flags=re.S).split()), values


def main():
    arguments = sys.argv[1:]
    if arguments and arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    minimum = 10.0
    if len(arguments) >= 2 and arguments[0] == "--minimum":
        minimum = float(arguments[1])
        arguments = arguments[2:]
    path = arguments[0] if arguments else os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..", "..", "xslt-gui", "style.css")
    with open(path, encoding="utf-8") as file:
        css = file.read()
    count = failed = 0

    def report(passed, name):
        nonlocal count, failed
        count += 1
        failed += not passed
        print(("ok" if passed else "not ok"), count, "-", name)

    # two published pairs of the formula's authors, so that a slip in it cannot pass the colours
    for one, two, wanted in (((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
                             ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373)):
        report(abs(ciede2000(one, two) - wanted) < 0.0001, f"the formula gives {wanted}")
    found = list(themes(css))
    report(len(found) >= 2, f"{len(found)} themes name the states")
    names = {frozenset(k for k in values if k.startswith("state-")) for _, values in found}
    report(len(names) == 1, "every theme names the same states")
    for selector, values in found:
        states = sorted(k for k in values if k.startswith("state-"))
        for state in states:
            ratio = contrast(values[state], values["surface"])
            if ratio < 3:
                report(False, f"{selector}: {state} has a contrast of {ratio:.2f} with the surface")
        for sight in SIGHTS:
            labs = {state: lab(seen(linear(values[state]), sight)) for state in states}
            pairs = [(ciede2000(labs[a], labs[b]), a, b)
                     for i, a in enumerate(states) for b in states[i + 1:]]
            for difference, a, b in sorted(pairs):
                if difference <= minimum:
                    print(f"# {a} and {b}: {difference:.1f}")
            least, a, b = min(pairs)
            report(least > minimum, f"{selector}, {sight}: {len(states)} states, the closest are "
                   f"{a[6:]} and {b[6:]} with {least:.1f}")
    print(f"1..{count}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
