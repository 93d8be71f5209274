// 페이지의 한국어 문장. All texts of the page in Korean, with the keys of text.en.js.

// What the server says most often, in Korean.
const PROBLEMS = [
  [/ is not a picture that can be read/, "읽을 수 있는 그림이 아닙니다. PNG, JPEG, WebP, BMP, GIF, TIFF, PPM, AVIF, HEIC, PDF 파일을 골라 주세요."],
  [/ is empty: /, "파일이 비어 있습니다. 다른 그림을 골라 주세요."],
  [/ is a drawing in SVG/, "SVG 같은 XML 그림입니다. PNG로 내보낸 뒤 골라 주세요."],
  [/ is damaged: /, "그림 파일이 손상되었습니다. 파일을 다시 받아 주세요."],
  [/^The body has more than /, "파일이 너무 큽니다. 그림을 줄여서 골라 주세요."],
  [/^The body came too slowly/, "그림이 너무 느리게 올라갔습니다. 그림을 줄이거나 더 빠른 연결을 써 주세요."],
];

export default {
  language: "한국어",
  title: "mnistry: 숫자를 써 보세요",
  tagline: "숫자를 쓰고, 신경망이 무엇을 보는지 확인하세요.",
  padLabel: "그림판",
  sheetLabel: "여기에 쓰세요",
  hint: "숫자를 하나 또는 여러 개 써 보세요",
  drop: "그림을 여기에 놓으세요",
  padHelp:
    "키보드로는 방향키로 펜을 옮기고 스페이스 바로 펜을 대거나 뗍니다. Shift를 함께 누르면 더 크게 움직입니다. 그림을 고르거나 붙여 넣을 수도 있습니다.",
  tools: "도구",
  undo: "되돌리기",
  clear: "지우기",
  penWidth: "펜 굵기",
  thin: "가늘게",
  medium: "보통",
  thick: "굵게",
  picture: "그림",
  photo: "사진",
  single: "숫자 하나만",
  answerLabel: "답",
  intro: "종이에 쓰거나, 그림을 고르거나 끌어다 놓거나 붙여 넣으세요. 예시로 시작해도 됩니다.",
  sampleDigit: "숫자 하나",
  sampleNumber: "여러 자리 수",
  samplePage: "종이를 찍은 사진",
  samplesLabel: "예시 그림",
  reading: "읽는 중…",
  noPreview: (name) => `브라우저가 ${name} 파일을 보여 주지는 못하지만, 읽을 수는 있습니다.`,
  pasted: "붙여 넣은 그림",
  drawing: "그린 그림",

  sure: "확실함",
  sureOne: "확실합니다.",
  notADigit: "아마 숫자가 아님",
  notADigitOne: "아마 숫자가 아닙니다.",
  nothing: "숫자를 찾지 못했습니다.",
  probably: (first, second) => (second === null ? `아마 ${first}` : `아마 ${first}, 어쩌면 ${second}`),
  probablyOne: (first, second) => (second === null ? `아마 ${first}입니다.` : `아마 ${first}, 어쩌면 ${second}입니다.`),
  several: (digits, uncertain) => {
    if (!uncertain) return `숫자 ${digits}개, 모두 확실합니다.`;
    if (uncertain === digits) return `숫자 ${digits}개, 모두 불확실합니다.`;
    return `숫자 ${digits}개, 그중 ${uncertain}개는 불확실합니다.`;
  },
  pages: (n) => `${n}쪽 가운데 1쪽입니다.`,
  skipped: (n) => `숫자가 아닌 표시 ${n}개는 뺐습니다(점선).`,

  copy: "글자로 복사",
  copied: "복사했습니다",
  copyByHand: "직접 선택해서 복사하세요",
  share: "그림으로 공유",
  shareCaption: "mnistry가 읽음",
  mattered: "중요했던 부분",
  for: "답을 뒷받침한 획",
  against: "답에 반대한 획",

  cardLabel: (number, digit, state) => `${number}번째 숫자: ${digit}, ${state}`,
  imageLabel: (number) => `신경망이 본 ${number}번째 숫자`,
  heatLabel: (number) => `${number}번째 숫자에서 중요했던 부분`,
  enlarge: (number) => `${number}번째 숫자 크게 보기`,
  probabilities: "확률",
  wrong: "틀렸나요?",
  change: "바꾸기",
  wrongLabel: (number) => `${number}번째 숫자 고치기`,
  itWas: "맞는 숫자",
  itWasA: (digit) => `맞는 숫자는 ${digit}`,
  noted: (digit) => `기록했습니다: ${digit}.`,
  save: "내려받기",
  saveLabel: (number) => `${number}번째 숫자를 PNG로 내려받기`,
  close: "닫기",
  networkSees: "신경망이 보는 28×28 픽셀",
  whatMattered: "중요했던 부분: 주황색은 답을 뒷받침, 파란색은 반대",
  steps: "그림에서 28×28까지",
  stepNames: {
    picture: "원래 그림",
    paper: "추정한 종이 바탕",
    ink: "종이보다 어둡거나 밝은 부분",
    cut: "잘라 낸 숫자",
    image: "20×20 상자에 맞추고 무게 중심을 가운데로",
  },

  why: "다른 데모가 이 숫자를 잘못 읽는 까닭",
  whyText:
    "대부분의 데모는 그림을 28×28 픽셀로 줄이기만 합니다. MNIST의 숫자는 검은 바탕에 밝은 획이고, 20×20 상자를 채우며, 무게 중심이 한가운데에 있고, 획은 사인펜만큼 굵습니다. 같은 신경망으로 숫자마다 비교하면 이렇습니다.",
  columnResized: "크기만 줄임",
  columnInverted: "줄이고 반전함",
  columnOurs: "MNIST 형식으로 맞춤",
  agreed: "여기서는 셋이 모두 같습니다. 숫자가 작거나, 펜이 가늘거나, 사진이면 달라집니다.",
  rowLabel: (number) => `${number}번째 숫자`,

  teach: "내 손글씨 가르치기",
  kept: (n, folder) => `고친 숫자 ${n}개를 이 컴퓨터의 ${folder}에 보관했습니다.`,
  needMore: (n) => `숫자 ${n}개를 더 고치면 인식기를 내 손글씨에 맞출 수 있습니다.`,
  adapt: "인식기 맞추기",
  adapting: "맞추는 중입니다. 몇 초 걸립니다…",
  adapted: ({ samples, held, before, after, check }) =>
    `숫자 ${samples}개에 맞추었습니다. ` +
    (held ? `따로 남겨 둔 ${held}개에서 오류가 ${before}개에서 ${after}개가 되었고, ` : "") +
    `내장 숫자 ${check.n.toLocaleString("ko")}개에서는 ${check.before}개에서 ${check.after}개가 되었습니다.`,
  inUse: (file) => `이제 이 페이지는 맞춘 모델을 씁니다: ${file}`,

  silent: "서버가 응답하지 않습니다. 쓴 내용은 그대로 있으며, 서버가 돌아오면 다시 보냅니다.",
  problem: (status, sentence) => {
    if (!sentence) return `서버가 상태 코드 ${status}로 응답했습니다.`;
    const known = PROBLEMS.find(([english]) => english.test(sentence));
    return known ? known[1] : `서버의 답(영어): ${sentence}`;
  },
  privacy: "쓴 내용은 이 서버에만 전달되고 다른 곳으로는 가지 않습니다. 직접 고친 숫자만 보관됩니다.",
  more: "더 보기",
  api: "API",
  card: "모델 카드",
  languageLabel: "언어",
  model: (name, version) => `모델: ${name}, mnistry ${version}`,
};
