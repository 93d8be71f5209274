// All texts of the page in English. A language is such a table with the same keys; functions get numbers and names.

const WORDS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
const word = (n) => WORDS[n] ?? String(n);
const capital = (text) => text[0].toUpperCase() + text.slice(1);
const count = (n, one, many) => `${word(n)} ${n === 1 ? one : many}`;

export default {
  language: "English",
  title: "mnistry: write a digit",
  tagline: "Write digits, see what a network sees.",
  padLabel: "Drawing pad",
  sheetLabel: "Write here",
  hint: "Write a digit, or several",
  drop: "Drop the picture here",
  padHelp:
    "With the keyboard: arrow keys move the pen, the space bar puts it down and lifts it, with Shift the steps are larger. You can also choose or paste a picture.",
  tools: "Tools",
  undo: "Undo",
  clear: "Clear",
  penWidth: "Pen width",
  thin: "thin",
  medium: "medium",
  thick: "thick",
  picture: "Picture",
  photo: "Photo",
  single: "One digit only",
  answerLabel: "Answer",
  intro: "Write on the sheet, or hand in a picture: choose, drop or paste one. Or try one of these:",
  sampleDigit: "A digit",
  sampleNumber: "A number",
  samplePage: "A photo of a page",
  samplesLabel: "Sample pictures",
  reading: "Reading…",
  noPreview: (name) => `Your browser cannot show ${name}. It is read all the same.`,
  pasted: "the pasted picture",
  drawing: "drawing",

  sure: "sure",
  sureOne: "Sure.",
  notADigit: "probably not a digit",
  notADigitOne: "Probably not a digit.",
  nothing: "No digit found.",
  probably: (first, second) => (second === null ? `probably ${first}` : `probably ${first}, maybe ${second}`),
  probablyOne: (first, second) => (second === null ? `Probably ${first}.` : `Probably ${first}, maybe ${second}.`),
  several: (digits, uncertain) => {
    const all = capital(count(digits, "digit", "digits"));
    if (!uncertain) return `${all}, all sure.`;
    if (uncertain === digits) return `${all}, all uncertain.`;
    return `${all}, ${word(uncertain)} of them uncertain.`;
  },
  pages: (n) => `This is page 1 of ${n}.`,
  skipped: (n) => `${capital(count(n, "mark", "marks"))} left out (dashed).`,

  copy: "Copy the text",
  copied: "Copied",
  copyByHand: "Select and copy it by hand",
  share: "Share a picture",
  shareCaption: "read by mnistry",
  mattered: "What mattered",
  for: "ink that carried the answer",
  against: "ink that spoke against it",

  cardLabel: (number, digit, state) => `Digit ${number}: ${digit}, ${state}`,
  imageLabel: (number) => `Digit ${number} as the network sees it`,
  heatLabel: (number) => `What mattered for digit ${number}`,
  enlarge: (number) => `Enlarge digit ${number}`,
  probabilities: "Probabilities",
  wrong: "Wrong?",
  change: "Change",
  wrongLabel: (number) => `Correct digit ${number}`,
  itWas: "It was a",
  itWasA: (digit) => `It was a ${digit}`,
  noted: (digit) => `Noted: a ${digit}.`,
  save: "Download",
  saveLabel: (number) => `Download digit ${number} as PNG`,
  close: "Close",
  networkSees: "What the network sees: 28×28 pixels",
  whatMattered: "What mattered: orange for the answer, blue against it",
  steps: "From the picture to 28×28",
  stepNames: {
    picture: "The picture",
    paper: "The paper, estimated",
    ink: "What is darker or brighter than the paper",
    cut: "This digit, cut out",
    image: "Scaled to a box of 20×20, centred by weight",
  },

  why: "Why other demos misread this",
  whyText:
    "Most demos only resize a picture to 28×28 pixels. MNIST's digits are bright on black, fill a box of 20×20, are centred by weight, and have strokes as thick as a felt pen's. Digit by digit, by the same network:",
  columnResized: "Only resized",
  columnInverted: "Resized, inverted",
  columnOurs: "Prepared as MNIST is",
  agreed: "Here all three agree. Small digits, thin pens and photos part them.",
  rowLabel: (number) => `Digit ${number}`,

  teach: "Teach it your hand",
  kept: (n, folder) => `${capital(count(n, "corrected digit is", "corrected digits are"))} kept on this machine, in ${folder}.`,
  needMore: (n) => `Correct ${count(n, "more digit", "more digits")} to adapt the recogniser to your hand.`,
  adapt: "Adapt the recogniser",
  adapting: "Adapting. This takes some seconds…",
  adapted: ({ samples, held, before, after, check }) =>
    `Adapted to ${count(samples, "digit", "digits")}. ` +
    (held ? `On ${count(held, "digit", "digits")} held back: ${word(before)} wrong before, ${word(after)} after. ` : "") +
    `On the ${check.n.toLocaleString("en")} built-in digits: ${check.before} wrong before, ${check.after} after.`,
  inUse: (file) => `This page now uses the adapted model, ${file}.`,

  silent: "The server does not answer. What you wrote is still here; it is sent again as soon as it does.",
  problem: (status, sentence) => sentence ?? `The server answered with status ${status}.`,
  privacy: "What you write goes to this server and nowhere else. Only digits that you correct are kept.",
  more: "More",
  api: "API",
  card: "The model's card",
  languageLabel: "Language",
  model: (name, version) => `Model: ${name}, mnistry ${version}`,
};
