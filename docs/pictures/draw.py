"""Draw the pictures of docs/design.md:  python docs/pictures/draw.py

Boxes, arrows and lines of text in SVG, so that a change of the design is a change of a line here.
"""

from pathlib import Path
from xml.sax.saxutils import escape

FOLDER = Path(__file__).parent

INK, QUIET, LINE = "#1f2933", "#52606d", "#9aa5b1"
# What a colour stands for is the same in all pictures.
PARENT, WORKER, SHARED, PLAIN = "#dbeafe", "#dcfce7", "#fef3c7", "#f1f5f9"

HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>{title}</title>
<style>
text {{ font: 14px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: {ink} }}
.name {{ font-weight: 600 }}
.quiet {{ font-size: 12px; fill: {quiet} }}
.arrow {{ stroke: {quiet}; stroke-width: 1.5; fill: none; marker-end: url(#head) }}
.dashed {{ stroke-dasharray: 5 4 }}
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"
 orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="{quiet}"/></marker></defs>
<rect width="{width}" height="{height}" rx="8" fill="white"/>
"""


class Picture:
    """The elements of a picture, in the order in which they are drawn."""

    def __init__(self, title, width, height):
        self.parts = [
            HEAD.format(title=escape(title), width=width, height=height, ink=INK, quiet=QUIET)
        ]

    def box(self, x, y, width, height, name="", notes=(), fill=PLAIN):
        """A box with a name and lines below it, all in its middle."""
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" '
            f'stroke="{LINE}"/>\n'
        )
        middle, first = x + width / 2, y + height / 2 - 9 * len(notes) + 5
        if name:
            self.text(middle, first, name, "name")
        for number, note in enumerate(notes, 1):
            self.text(middle, first + 18 * number, note, "quiet")

    def area(self, x, y, width, height, name, fill):
        """What several boxes lie in, its name at the top."""
        self.box(x, y, width, height, fill=fill)
        self.text(x + 14, y + 24, name, "name", "start")

    def text(self, x, y, words, style="", anchor="middle"):
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" class="{style}" text-anchor="{anchor}">'
            f"{escape(words)}</text>\n"
        )

    def arrow(self, *points, words="", at=None, anchor="middle", dashed=False):
        """An arrow along points; its words stand above its first part, or where they are to."""
        path = " L".join(f"{x} {y}" for x, y in points)
        style = "arrow dashed" if dashed else "arrow"
        self.parts.append(f'<path d="M{path}" class="{style}"/>\n')
        (x, y), (next_x, next_y) = points[:2]
        x, y = at or ((x + next_x) / 2, (y + next_y) / 2 - 7)
        self.text(x, y, words, "quiet", anchor)

    def __str__(self):
        return "".join([*self.parts, "</svg>\n"])


def layers():
    """Who imports whom."""
    picture = Picture("The layers of fastproc: each imports from below only", 760, 460)
    picture.box(20, 20, 720, 54, "fastproc", ["the public face: imports a name when asked for it"])
    picture.box(20, 100, 350, 54, "command line", ["fastproc info, fastproc bench"])
    picture.box(390, 100, 350, 54, "bridges", ["joblib, Dask"])
    picture.box(20, 180, 720, 54, "parallel", ["the public kernels: cut, run, merge"], WORKER)
    picture.box(20, 260, 350, 54, "pool", ["processes that take tasks; knows no kernel"], PARENT)
    picture.box(20, 340, 350, 54, "shm", ["segments, arrays, locks, queues; knows no pool"], SHARED)
    notes = ["GIL-free loops over one chunk,", "built for each CPU level;"]
    notes += ["know no process, no thread", "and no shared memory"]
    picture.box(390, 260, 350, 134, "kernels", notes, WORKER)
    for x, top in ((195, 154), (565, 154), (195, 234), (565, 234), (195, 314)):
        picture.arrow((x, top), (x, top + 25))
    picture.box(20, 410, 720, 34, "config, errors, plan, lazy, catalogue")
    return picture


def task():
    """The way of a task through the rings."""
    picture = Picture("The way of a task from the caller to a worker and back", 760, 470)
    picture.area(20, 20, 220, 380, "the parent", PARENT)
    picture.area(270, 20, 220, 380, "shared memory", SHARED)
    picture.area(520, 20, 220, 380, "a worker", WORKER)

    picture.box(46, 60, 180, 60, "pool.apply(f, (x,))", ["the caller's thread"], "white")
    picture.box(46, 150, 180, 60, "dispatcher", ["who does what, who is idle"], "white")
    picture.box(46, 330, 180, 50, "manager thread", ["asleep; deaths, deadlines"], "white")
    picture.box(284, 60, 192, 60, "the array x", ["goes as a handle"], "white")
    picture.box(284, 150, 192, 60, "ring of tasks", ["one producer, one consumer"], "white")
    picture.box(284, 240, 192, 60, "ring of results", ["one producer, one consumer"], "white")
    picture.box(534, 60, 192, 60, "x", ["the same memory, no copy"], "white")
    picture.box(534, 150, 192, 60, "take, begin", ["says with which task it begins"], "white")
    picture.box(534, 240, 192, 60, "f(x)", ["its result is published"], "white")

    picture.arrow((136, 120), (136, 149), words="1", at=(124, 139))
    picture.arrow((226, 180), (283, 180), words="2 pickle")
    picture.arrow((476, 180), (533, 180), words="3")
    picture.arrow((630, 210), (630, 239), words="4", at=(618, 229))
    picture.arrow((534, 270), (477, 270), words="5")
    picture.arrow(
        (284, 270), (33, 270), (33, 90), (45, 90), words="6 the caller reads it", at=(136, 263)
    )
    picture.arrow((226, 90), (283, 90), dashed=True)
    picture.arrow((534, 90), (477, 90), dashed=True)
    picture.arrow((534, 355), (227, 355), words="its death, by a pidfd", at=(380, 348), dashed=True)
    picture.text(380, 426, "Who waits looks for up to 100 us, then sleeps in a futex.", "quiet")
    picture.text(380, 446, "No thread stands between the caller and the worker.", "quiet")
    return picture


def segment():
    """The life of a segment."""
    picture = Picture("The states of a segment, in its owner and in a user", 760, 400)
    picture.area(20, 20, 720, 210, "in its owner, the process that made it", PARENT)
    picture.box(190, 90, 140, 60, "live", ["an array over it exists"], "white")
    picture.box(390, 90, 140, 60, "waiting", ["for other processes"], "white")
    picture.box(590, 90, 130, 60, "recycled", ["nobody has it"], "white")
    picture.arrow((40, 120), (189, 120), words="new: cleared pages")
    picture.arrow((330, 120), (389, 120), words="its last array goes", at=(360, 78))
    picture.arrow((530, 120), (589, 120), words="its last user goes", at=(560, 78))
    words = "the next array of a fitting size, at a tenth of the price"
    picture.arrow((655, 150), (655, 200), (285, 200), (285, 151), words=words, at=(470, 193))

    picture.area(20, 260, 720, 120, "in a user of it", WORKER)
    picture.box(190, 300, 140, 60, "live", ["an array over it exists"], "white")
    picture.box(390, 300, 140, 60, "waiting", ["a handle was sent on"], "white")
    picture.box(590, 300, 130, 60, "idle", ["mapped, no user"], "white")
    picture.arrow((330, 330), (389, 330))
    picture.arrow((530, 330), (589, 330))
    picture.arrow(
        (230, 150), (230, 299), words="a handle", at=(222, 225), anchor="end", dashed=True
    )
    return picture


def main():
    for draw in (layers, task, segment):
        (FOLDER / f"{draw.__name__}.svg").write_text(str(draw()))


if __name__ == "__main__":
    main()
