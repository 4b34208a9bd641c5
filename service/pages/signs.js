// The signs on the live map: a shape and a colour for each state, as in the lists.

const SIZE = 44;
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const outlined = (fill, points) => (c, s) => {
  c.beginPath();
  points.forEach(([x, y], i) => (i ? c.lineTo(x * s, y * s) : c.moveTo(x * s, y * s)));
  c.closePath();
  c.fillStyle = color(fill);
  c.fill();
  c.strokeStyle = color("--surface");
  c.lineWidth = 2;
  c.stroke();
};

const SIGNS = {
  "sign-urgent": outlined("--urgent", [[0.5, 0.08], [0.95, 0.9], [0.05, 0.9]]),
  "sign-watch": outlined("--watch", [[0.5, 0.08], [0.92, 0.5], [0.5, 0.92], [0.08, 0.5]]),
  "sign-ok": (c, s) => {
    c.beginPath();
    c.arc(s / 2, s / 2, s * 0.22, 0, 7);
    c.fillStyle = color("--ok");
    c.fill();
  },
  "sign-unknown": (c, s) => {
    c.fillStyle = color("--surface");
    c.fillRect(s * 0.25, s * 0.25, s * 0.5, s * 0.5);
    c.strokeStyle = color("--unknown");
    c.lineWidth = 2;
    c.strokeRect(s * 0.25, s * 0.25, s * 0.5, s * 0.5);
    c.beginPath();
    for (const d of [0.25, 0.42, 0.59]) {
      c.moveTo(s * d, s * 0.75);
      c.lineTo(s * 0.75, s * d);
    }
    c.stroke();
  },
  depot: outlined("--ink", [[0.5, 0.12], [0.9, 0.42], [0.8, 0.42], [0.8, 0.85], [0.2, 0.85], [0.2, 0.42], [0.1, 0.42]]),
  truck: (c, s) => {
    c.fillStyle = color("--accent");
    c.strokeStyle = color("--surface");
    c.lineWidth = 2;
    c.beginPath();
    c.roundRect(s * 0.08, s * 0.25, s * 0.84, s * 0.5, s * 0.1);
    c.fill();
    c.stroke();
    c.fillStyle = color("--surface");
    c.fillRect(s * 0.7, s * 0.33, s * 0.12, s * 0.34);
  },
  arrow: (c, s) => {
    c.strokeStyle = color("--accent");
    c.lineWidth = 4;
    c.lineCap = c.lineJoin = "round";
    c.beginPath();
    c.moveTo(s * 0.36, s * 0.28);
    c.lineTo(s * 0.62, s * 0.5);
    c.lineTo(s * 0.36, s * 0.72);
    c.stroke();
  },
};

/** Every sign as a picture of twice its size: [["sign-urgent", ImageData], …], in the colours of the theme that is on. */
export function signPictures() {
  return Object.entries(SIGNS).map(([name, paint]) => {
    const context = Object.assign(document.createElement("canvas"), { width: SIZE, height: SIZE }).getContext("2d");
    paint(context, SIZE);
    return [name, context.getImageData(0, 0, SIZE, SIZE)];
  });
}
