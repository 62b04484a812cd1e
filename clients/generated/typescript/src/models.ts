/** The models, each with a class of its own. */

import {
  type CallOptions,
  type ChatAnswer,
  type ChatDelta,
  type ChatOptions,
  type Client,
  ClientError,
  type CompletionAnswer,
  type CompletionDelta,
  type CompletionOptions,
  type Conversation,
  type EmbedOptions,
  type Prompts,
  type RankedDocument,
  type RerankOptions,
  type Stream,
  type Tensor,
} from "@jubako/client";
import { type Pixels, withImages } from "./images.js";
import {
  changes,
  type Interface,
  Model,
  type TensorData,
  type TensorOptions,
  tensorInputs,
  tensorOutputs,
  versionName,
  type Which,
} from "./model.js";

/** What may be said wherever a client of jubako takes the name of a model. */
export type ModelName =
  | "HuggingFaceTB/SmolLM2-135M-Instruct"
  | "language"
  | "magika"
  | "minilm"
  | "ocr"
  | "ocr-classifier"
  | "ocr-detector"
  | "ocr-lines"
  | "ocr-prepare"
  | "ocr-recogniser"
  | "orientation"
  | "sentence-transformers/all-MiniLM-L6-v2"
  | "smollm2"
  | "smollm2-transformers"
  | "smollm2-vllm"
  | "smollm2:135m";

/** A version of language. */
export type LanguageVersion = 1;

/** What language takes. */
export interface LanguageInputs {
  /** BYTES of shape [batch, 1]. */
  readonly text: TensorData<"BYTES">;
}

/** What language gives. */
export interface LanguageOutputs {
  /** BYTES of shape [batch, 3]. ISO 639 codes, such as en. */
  readonly languages: Tensor<"BYTES">;
  /** FP32 of shape [batch, 3]. Their probabilities. */
  readonly scores: Tensor<"FP32">;
}

/** Tells 176 languages apart. */
export class Language extends Model {
  /** What this class was made for. */
  static readonly interface = {
    name: "language",
    digest: "13da5a4146774b67f89d66cba02d3b00616e2fd74517595fc7ae635ff5ef2a81",
    tasks: ["infer"],
    inputs: {
      text: {
        datatype: "BYTES",
        shape: [1],
      },
    },
    outputs: {
      languages: {
        datatype: "BYTES",
        shape: [3],
      },
      scores: {
        datatype: "FP32",
        shape: [3],
      },
    },
    batched: true,
    decoupled: false,
  } as const satisfies Interface;

  constructor(client: Client, name: string = Language.interface.name) {
    super(client, name);
  }

  /** The model at one of its versions. */
  at(which: Which<LanguageVersion, never>): Language {
    const name = versionName(Language.interface.name, which);
    return new Language(this.client, name);
  }

  /**
   * Asks the model.
   *
   * @throws JubakoError an input has another shape than it must have, or there is no answer.
   */
  async infer(inputs: LanguageInputs, options: TensorOptions = {}): Promise<LanguageOutputs> {
    const model = Language.interface;
    const found = await this.client.infer(this.name, tensorInputs(model, inputs), options);
    return tensorOutputs(model, found);
  }
}

/** A version of magika. */
export type MagikaVersion = 1;

/** What magika takes. */
export interface MagikaInputs {
  /**
   * INT32 of shape [batch, 2048]. The first and the last 1024 bytes of the file without white space around it; 256 where there
   * are fewer.
   */
  readonly bytes: TensorData<"INT32">;
}

/** What magika gives. */
export interface MagikaOutputs {
  /** FP32 of shape [batch, 214]. The probability of each type. */
  readonly target_label: Tensor<"FP32">;
}

/** Magika tells 214 types of files apart by their content. */
export class Magika extends Model {
  /** What this class was made for. */
  static readonly interface = {
    name: "magika",
    digest: "1cf4a65cced4e18372b41bd3755f77dfe1bd768755e252652efff86a0c140dc6",
    tasks: ["infer"],
    inputs: {
      bytes: {
        datatype: "INT32",
        shape: [2048],
      },
    },
    outputs: {
      target_label: {
        datatype: "FP32",
        shape: [214],
        labels: [
          "3gp",
          "ace",
          "ai",
          "aidl",
          "apk",
          "applebplist",
          "appleplist",
          "asm",
          "asp",
          "autohotkey",
          "autoit",
          "awk",
          "batch",
          "bazel",
          "bib",
          "bmp",
          "bzip",
          "c",
          "cab",
          "cat",
          "chm",
          "clojure",
          "cmake",
          "cobol",
          "coff",
          "coffeescript",
          "cpp",
          "crt",
          "crx",
          "cs",
          "csproj",
          "css",
          "csv",
          "dart",
          "deb",
          "dex",
          "dicom",
          "diff",
          "dm",
          "dmg",
          "doc",
          "dockerfile",
          "docx",
          "dsstore",
          "dwg",
          "dxf",
          "elf",
          "elixir",
          "emf",
          "eml",
          "epub",
          "erb",
          "erlang",
          "flac",
          "flv",
          "fortran",
          "gemfile",
          "gemspec",
          "gif",
          "gitattributes",
          "gitmodules",
          "go",
          "gradle",
          "groovy",
          "gzip",
          "h5",
          "handlebars",
          "haskell",
          "hcl",
          "hlp",
          "htaccess",
          "html",
          "icns",
          "ico",
          "ics",
          "ignorefile",
          "ini",
          "internetshortcut",
          "ipynb",
          "iso",
          "jar",
          "java",
          "javabytecode",
          "javascript",
          "jinja",
          "jp2",
          "jpeg",
          "json",
          "jsonl",
          "julia",
          "kotlin",
          "latex",
          "lha",
          "lisp",
          "lnk",
          "lua",
          "m3u",
          "m4",
          "macho",
          "makefile",
          "markdown",
          "matlab",
          "mht",
          "midi",
          "mkv",
          "mp3",
          "mp4",
          "mscompress",
          "msi",
          "mum",
          "npy",
          "npz",
          "nupkg",
          "objectivec",
          "ocaml",
          "odp",
          "ods",
          "odt",
          "ogg",
          "one",
          "onnx",
          "otf",
          "outlook",
          "parquet",
          "pascal",
          "pcap",
          "pdb",
          "pdf",
          "pebin",
          "pem",
          "perl",
          "php",
          "pickle",
          "png",
          "po",
          "postscript",
          "powershell",
          "ppt",
          "pptx",
          "prolog",
          "proteindb",
          "proto",
          "psd",
          "python",
          "pythonbytecode",
          "pytorch",
          "qt",
          "r",
          "randombytes",
          "randomtxt",
          "rar",
          "rdf",
          "rpm",
          "rst",
          "rtf",
          "ruby",
          "rust",
          "scala",
          "scss",
          "sevenzip",
          "sgml",
          "shell",
          "smali",
          "snap",
          "solidity",
          "sql",
          "sqlite",
          "squashfs",
          "srt",
          "stlbinary",
          "stltext",
          "sum",
          "svg",
          "swf",
          "swift",
          "tar",
          "tcl",
          "textproto",
          "tga",
          "thumbsdb",
          "tiff",
          "toml",
          "torrent",
          "tsv",
          "ttf",
          "twig",
          "txt",
          "typescript",
          "vba",
          "vcxproj",
          "verilog",
          "vhdl",
          "vtt",
          "vue",
          "wasm",
          "wav",
          "webm",
          "webp",
          "winregistry",
          "wmf",
          "woff",
          "woff2",
          "xar",
          "xls",
          "xlsb",
          "xlsx",
          "xml",
          "xpi",
          "xz",
          "yaml",
          "yara",
          "zig",
          "zip",
          "zlibstream",
        ],
      },
    },
    batched: true,
    decoupled: false,
  } as const satisfies Interface;

  constructor(client: Client, name: string = Magika.interface.name) {
    super(client, name);
  }

  /** The model at one of its versions. */
  at(which: Which<MagikaVersion, never>): Magika {
    const name = versionName(Magika.interface.name, which);
    return new Magika(this.client, name);
  }

  /**
   * Asks the model.
   *
   * @throws JubakoError an input has another shape than it must have, or there is no answer.
   */
  async infer(inputs: MagikaInputs, options: TensorOptions = {}): Promise<MagikaOutputs> {
    const model = Magika.interface;
    const found = await this.client.infer(this.name, tensorInputs(model, inputs), options);
    return tensorOutputs(model, found);
  }
}

/** A version of minilm. */
export type MinilmVersion = 1;

/** all-MiniLM-L6-v2 makes a vector of 384 numbers of a sentence, so that texts can be compared. */
export class Minilm extends Model {
  /** What this class was made for. */
  static readonly interface = {
    name: "minilm",
    digest: "337368b6157e9370535ecdcb5f46e6a6d273ec2a419272cf3f2308d921a20be6",
    tasks: ["embedding", "score"],
  } as const satisfies Interface;

  constructor(client: Client, name: string = Minilm.interface.name) {
    super(client, name);
  }

  /** The model at one of its versions. */
  at(which: Which<MinilmVersion, never>): Minilm {
    const name = versionName(Minilm.interface.name, which);
    return new Minilm(this.client, name);
  }

  /** A vector for each input. */
  embed(inputs: Prompts, options: EmbedOptions = {}): Promise<Float32Array[]> {
    return this.client.embed(this.name, inputs, options);
  }

  /** The documents by how well they answer the query, the best first. */
  rerank(query: string, documents: readonly string[], options: RerankOptions = {}): Promise<RankedDocument[]> {
    return this.client.rerank(this.name, query, documents, options);
  }

  /** How well each document answers its query, or the only one. */
  score(queries: string | readonly string[], documents: readonly string[], options: CallOptions = {}): Promise<Float64Array> {
    return this.client.score(this.name, queries, documents, options);
  }
}

/** A version of ocr. */
export type OcrVersion = 1;

/** What ocr takes. */
export interface OcrInputs {
  /** UINT8 of shape [any, any, 3]. Height, width and the colours red, green and blue. */
  readonly image: TensorData<"UINT8"> | Pixels;
}

/** What ocr gives. */
export interface OcrOutputs {
  /** BYTES of shape [any]. The lines, from top to bottom and from left to right. */
  readonly texts: Tensor<"BYTES">;
  /** FP32 of shape [any, 4, 2]. The corners of each line in pixels, x and y, clockwise from its top left. */
  readonly boxes: Tensor<"FP32">;
  /** FP32 of shape [any]. How sure the model is of each line, 0.5 to 1. */
  readonly scores: Tensor<"FP32">;
}

/** Reads the text in an image, line by line. */
export class Ocr extends Model {
  /** What this class was made for. */
  static readonly interface = {
    name: "ocr",
    digest: "233f4380ceb77ad1c25ace3c40a8ef673056d3a079f7ed1e75771290c4069fef",
    tasks: ["infer"],
    inputs: {
      image: {
        datatype: "UINT8",
        shape: [-1, -1, 3],
        content: "image",
      },
    },
    outputs: {
      texts: {
        datatype: "BYTES",
        shape: [-1],
      },
      boxes: {
        datatype: "FP32",
        shape: [-1, 4, 2],
      },
      scores: {
        datatype: "FP32",
        shape: [-1],
      },
    },
    batched: false,
    decoupled: false,
  } as const satisfies Interface;

  constructor(client: Client, name: string = Ocr.interface.name) {
    super(client, name);
  }

  /** The model at one of its versions. */
  at(which: Which<OcrVersion, never>): Ocr {
    const name = versionName(Ocr.interface.name, which);
    return new Ocr(this.client, name);
  }

  /**
   * Asks the model.
   *
   * @throws JubakoError an input has another shape than it must have, or there is no answer.
   */
  async infer(inputs: OcrInputs, options: TensorOptions = {}): Promise<OcrOutputs> {
    const model = Ocr.interface;
    const found = await this.client.infer(this.name, tensorInputs(model, withImages(model, inputs)), options);
    return tensorOutputs(model, found);
  }
}

/** A version of ocr-classifier. */
export type OcrClassifierVersion = 1;

/** What ocr-classifier takes. */
export interface OcrClassifierInputs {
  /** FP32 of shape [batch, 3, any, any]. */
  readonly x: TensorData<"FP32">;
}

/** What ocr-classifier gives. */
export interface OcrClassifierOutputs {
  /** FP32 of shape [batch, 2]. */
  readonly "save_infer_model/scale_0.tmp_1": Tensor<"FP32">;
}

/** Tells whether a line of text stands on its head (PP-OCR mobile v2.0); asked by ocr-lines. */
export class OcrClassifier extends Model {
  /** What this class was made for. */
  static readonly interface = {
    name: "ocr-classifier",
    digest: "b8cf0c8e9bc98caa5c01c2af347ed2652d1603594ad585f52326cfcff668f6c6",
    tasks: ["infer"],
    inputs: {
      x: {
        datatype: "FP32",
        shape: [3, -1, -1],
      },
    },
    outputs: {
      "save_infer_model/scale_0.tmp_1": {
        datatype: "FP32",
        shape: [2],
      },
    },
    batched: true,
    decoupled: false,
  } as const satisfies Interface;

  constructor(client: Client, name: string = OcrClassifier.interface.name) {
    super(client, name);
  }

  /** The model at one of its versions. */
  at(which: Which<OcrClassifierVersion, never>): OcrClassifier {
    const name = versionName(OcrClassifier.interface.name, which);
    return new OcrClassifier(this.client, name);
  }

  /**
   * Asks the model.
   *
   * @throws JubakoError an input has another shape than it must have, or there is no answer.
   */
  async infer(inputs: OcrClassifierInputs, options: TensorOptions = {}): Promise<OcrClassifierOutputs> {
    const model = OcrClassifier.interface;
    const found = await this.client.infer(this.name, tensorInputs(model, inputs), options);
    return tensorOutputs(model, found);
  }
}

/** A version of ocr-detector. */
export type OcrDetectorVersion = 1;

/** What ocr-detector takes. */
export interface OcrDetectorInputs {
  /** FP32 of shape [batch, 3, any, any]. */
  readonly x: TensorData<"FP32">;
}

/** What ocr-detector gives. */
export interface OcrDetectorOutputs {
  /** FP32 of shape [batch, 1, any, any]. */
  readonly "sigmoid_0.tmp_0": Tensor<"FP32">;
}

/** Marks the pixels of an image that belong to text (PP-OCRv4); a step of ocr. */
export class OcrDetector extends Model {
  /** What this class was made for. */
  static readonly interface = {
    name: "ocr-detector",
    digest: "1d93d2bf674774b3cf4f143c048b66d4c43ecba23736540fec371cf61d3b4312",
    tasks: ["infer"],
    inputs: {
      x: {
        datatype: "FP32",
        shape: [3, -1, -1],
      },
    },
    outputs: {
      "sigmoid_0.tmp_0": {
        datatype: "FP32",
        shape: [1, -1, -1],
      },
    },
    batched: true,
    decoupled: false,
  } as const satisfies Interface;

  constructor(client: Client, name: string = OcrDetector.interface.name) {
    super(client, name);
  }

  /** The model at one of its versions. */
  at(which: Which<OcrDetectorVersion, never>): OcrDetector {
    const name = versionName(OcrDetector.interface.name, which);
    return new OcrDetector(this.client, name);
  }

  /**
   * Asks the model.
   *
   * @throws JubakoError an input has another shape than it must have, or there is no answer.
   */
  async infer(inputs: OcrDetectorInputs, options: TensorOptions = {}): Promise<OcrDetectorOutputs> {
    const model = OcrDetector.interface;
    const found = await this.client.infer(this.name, tensorInputs(model, inputs), options);
    return tensorOutputs(model, found);
  }
}

/** A version of ocr-lines. */
export type OcrLinesVersion = 1;

/** What ocr-lines takes. */
export interface OcrLinesInputs {
  /** UINT8 of shape [any, any, 3]. */
  readonly scaled: TensorData<"UINT8">;
  /** FP32 of shape [5]. */
  readonly placing: TensorData<"FP32">;
  /** FP32 of shape [1, 1, any, any]. */
  readonly text_map: TensorData<"FP32">;
}

/** What ocr-lines gives. */
export interface OcrLinesOutputs {
  /** BYTES of shape [any]. */
  readonly texts: Tensor<"BYTES">;
  /** FP32 of shape [any, 4, 2]. */
  readonly boxes: Tensor<"FP32">;
  /** FP32 of shape [any]. */
  readonly scores: Tensor<"FP32">;
}

/** Finds the lines of text that ocr-detector has marked and has them read; a step of ocr. */
export class OcrLines extends Model {
  /** What this class was made for. */
  static readonly interface = {
    name: "ocr-lines",
    digest: "0619b7fd5867af6fbd7ee4788e7df1aee95f21a38667a6febb757c64735834b4",
    tasks: ["infer"],
    inputs: {
      scaled: {
        datatype: "UINT8",
        shape: [-1, -1, 3],
      },
      placing: {
        datatype: "FP32",
        shape: [5],
      },
      text_map: {
        datatype: "FP32",
        shape: [1, 1, -1, -1],
      },
    },
    outputs: {
      texts: {
        datatype: "BYTES",
        shape: [-1],
      },
      boxes: {
        datatype: "FP32",
        shape: [-1, 4, 2],
      },
      scores: {
        datatype: "FP32",
        shape: [-1],
      },
    },
    batched: false,
    decoupled: false,
  } as const satisfies Interface;

  constructor(client: Client, name: string = OcrLines.interface.name) {
    super(client, name);
  }

  /** The model at one of its versions. */
  at(which: Which<OcrLinesVersion, never>): OcrLines {
    const name = versionName(OcrLines.interface.name, which);
    return new OcrLines(this.client, name);
  }

  /**
   * Asks the model.
   *
   * @throws JubakoError an input has another shape than it must have, or there is no answer.
   */
  async infer(inputs: OcrLinesInputs, options: TensorOptions = {}): Promise<OcrLinesOutputs> {
    const model = OcrLines.interface;
    const found = await this.client.infer(this.name, tensorInputs(model, inputs), options);
    return tensorOutputs(model, found);
  }
}

/** A version of ocr-prepare. */
export type OcrPrepareVersion = 1;

/** What ocr-prepare takes. */
export interface OcrPrepareInputs {
  /** UINT8 of shape [any, any, 3]. Height, width and the colours red, green and blue. */
  readonly image: TensorData<"UINT8"> | Pixels;
}

/** What ocr-prepare gives. */
export interface OcrPrepareOutputs {
  /** UINT8 of shape [any, any, 3]. */
  readonly scaled: Tensor<"UINT8">;
  /** FP32 of shape [5]. */
  readonly placing: Tensor<"FP32">;
  /** FP32 of shape [1, 3, any, any]. */
  readonly x: Tensor<"FP32">;
}

/** Scales an image to what ocr-detector takes; a step of ocr. */
export class OcrPrepare extends Model {
  /** What this class was made for. */
  static readonly interface = {
    name: "ocr-prepare",
    digest: "73325eaf6fa9d6913079a8f52a541cec0455316752bc505f3ef7546111d36c9a",
    tasks: ["infer"],
    inputs: {
      image: {
        datatype: "UINT8",
        shape: [-1, -1, 3],
        content: "image",
      },
    },
    outputs: {
      scaled: {
        datatype: "UINT8",
        shape: [-1, -1, 3],
      },
      placing: {
        datatype: "FP32",
        shape: [5],
      },
      x: {
        datatype: "FP32",
        shape: [1, 3, -1, -1],
      },
    },
    batched: false,
    decoupled: false,
  } as const satisfies Interface;

  constructor(client: Client, name: string = OcrPrepare.interface.name) {
    super(client, name);
  }

  /** The model at one of its versions. */
  at(which: Which<OcrPrepareVersion, never>): OcrPrepare {
    const name = versionName(OcrPrepare.interface.name, which);
    return new OcrPrepare(this.client, name);
  }

  /**
   * Asks the model.
   *
   * @throws JubakoError an input has another shape than it must have, or there is no answer.
   */
  async infer(inputs: OcrPrepareInputs, options: TensorOptions = {}): Promise<OcrPrepareOutputs> {
    const model = OcrPrepare.interface;
    const found = await this.client.infer(this.name, tensorInputs(model, withImages(model, inputs)), options);
    return tensorOutputs(model, found);
  }
}

/** A version of ocr-recogniser. */
export type OcrRecogniserVersion = 1;

/** What ocr-recogniser takes. */
export interface OcrRecogniserInputs {
  /** FP32 of shape [batch, 3, any, any]. */
  readonly x: TensorData<"FP32">;
}

/** What ocr-recogniser gives. */
export interface OcrRecogniserOutputs {
  /** FP32 of shape [batch, any, 6625]. */
  readonly "softmax_11.tmp_0": Tensor<"FP32">;
}

/** Reads the characters of a line of text (PP-OCRv4); asked by ocr-lines. */
export class OcrRecogniser extends Model {
  /** What this class was made for. */
  static readonly interface = {
    name: "ocr-recogniser",
    digest: "ceb5901cc72924f2ed4ff483a3e5d8de77f9fb323fd14474012403e5380dfda8",
    tasks: ["infer"],
    inputs: {
      x: {
        datatype: "FP32",
        shape: [3, -1, -1],
      },
    },
    outputs: {
      "softmax_11.tmp_0": {
        datatype: "FP32",
        shape: [-1, 6625],
      },
    },
    batched: true,
    decoupled: false,
  } as const satisfies Interface;

  constructor(client: Client, name: string = OcrRecogniser.interface.name) {
    super(client, name);
  }

  /** The model at one of its versions. */
  at(which: Which<OcrRecogniserVersion, never>): OcrRecogniser {
    const name = versionName(OcrRecogniser.interface.name, which);
    return new OcrRecogniser(this.client, name);
  }

  /**
   * Asks the model.
   *
   * @throws JubakoError an input has another shape than it must have, or there is no answer.
   */
  async infer(inputs: OcrRecogniserInputs, options: TensorOptions = {}): Promise<OcrRecogniserOutputs> {
    const model = OcrRecogniser.interface;
    const found = await this.client.infer(this.name, tensorInputs(model, inputs), options);
    return tensorOutputs(model, found);
  }
}

/** A version of orientation. */
export type OrientationVersion = 1;

/** What orientation takes. */
export interface OrientationInputs {
  /** FP32 of shape [batch, 3, 224, 224]. The middle of the picture, normalised; the channels are blue, green and red. */
  readonly x: TensorData<"FP32">;
}

/** What orientation gives. */
export interface OrientationOutputs {
  /** FP32 of shape [batch, 4]. The probability of each turn, in degrees clockwise. */
  readonly fetch_name_0: Tensor<"FP32">;
}

/** Tells by how many degrees, clockwise, a picture of a document is turned. */
export class Orientation extends Model {
  /** What this class was made for. */
  static readonly interface = {
    name: "orientation",
    digest: "072960fcfbaba0fcfa9ca4c4948cace7a2285a9ea299f2eb4a20ebd051da58c1",
    tasks: ["infer"],
    inputs: {
      x: {
        datatype: "FP32",
        shape: [3, 224, 224],
      },
    },
    outputs: {
      fetch_name_0: {
        datatype: "FP32",
        shape: [4],
        labels: ["0", "90", "180", "270"],
      },
    },
    batched: true,
    decoupled: false,
  } as const satisfies Interface;

  constructor(client: Client, name: string = Orientation.interface.name) {
    super(client, name);
  }

  /** The model at one of its versions. */
  at(which: Which<OrientationVersion, never>): Orientation {
    const name = versionName(Orientation.interface.name, which);
    return new Orientation(this.client, name);
  }

  /**
   * Asks the model.
   *
   * @throws JubakoError an input has another shape than it must have, or there is no answer.
   */
  async infer(inputs: OrientationInputs, options: TensorOptions = {}): Promise<OrientationOutputs> {
    const model = Orientation.interface;
    const found = await this.client.infer(this.name, tensorInputs(model, inputs), options);
    return tensorOutputs(model, found);
  }
}

/** A version of smollm2. */
export type Smollm2Version = 1;

/** SmolLM2 135M Instruct, a small chat model that answers on any laptop. */
export class Smollm2 extends Model {
  /** What this class was made for. */
  static readonly interface = {
    name: "smollm2",
    digest: "5d7ec90b90a1a06e959d4fc3ca16c0dbb6acf1cb13c4bce9b65a9ff07bd9052f",
    tasks: ["chat", "completion"],
  } as const satisfies Interface;

  constructor(client: Client, name: string = Smollm2.interface.name) {
    super(client, name);
  }

  /** The model at one of its versions. */
  at(which: Which<Smollm2Version, never>): Smollm2 {
    const name = versionName(Smollm2.interface.name, which);
    return new Smollm2(this.client, name);
  }

  /** The next turn of a conversation, whole. */
  chat(messages: Conversation, options: ChatOptions = {}): Promise<ChatAnswer> {
    return this.client.chat(this.name, messages, options);
  }

  /** The next turn of a conversation, as it comes. */
  chatStream(messages: Conversation, options: ChatOptions = {}): Stream<ChatDelta, ChatAnswer> {
    return this.client.chatStream(this.name, messages, options);
  }

  /** Continues prompts as they are. */
  complete(prompts: Prompts, options: CompletionOptions = {}): Promise<CompletionAnswer> {
    return this.client.complete(this.name, prompts, options);
  }

  /** Continues prompts as they are, as it comes. */
  completeStream(prompts: Prompts, options: CompletionOptions = {}): Stream<CompletionDelta, CompletionAnswer> {
    return this.client.completeStream(this.name, prompts, options);
  }
}

/** A version of smollm2-transformers. */
export type Smollm2TransformersVersion = 1;

/** SmolLM2 135M Instruct on transformers, converted once from the GGUF file of smollm2. */
export class Smollm2Transformers extends Model {
  /** What this class was made for. */
  static readonly interface = {
    name: "smollm2-transformers",
    digest: "5d7ec90b90a1a06e959d4fc3ca16c0dbb6acf1cb13c4bce9b65a9ff07bd9052f",
    tasks: ["chat", "completion"],
  } as const satisfies Interface;

  constructor(client: Client, name: string = Smollm2Transformers.interface.name) {
    super(client, name);
  }

  /** The model at one of its versions. */
  at(which: Which<Smollm2TransformersVersion, never>): Smollm2Transformers {
    const name = versionName(Smollm2Transformers.interface.name, which);
    return new Smollm2Transformers(this.client, name);
  }

  /** The next turn of a conversation, whole. */
  chat(messages: Conversation, options: ChatOptions = {}): Promise<ChatAnswer> {
    return this.client.chat(this.name, messages, options);
  }

  /** The next turn of a conversation, as it comes. */
  chatStream(messages: Conversation, options: ChatOptions = {}): Stream<ChatDelta, ChatAnswer> {
    return this.client.chatStream(this.name, messages, options);
  }

  /** Continues prompts as they are. */
  complete(prompts: Prompts, options: CompletionOptions = {}): Promise<CompletionAnswer> {
    return this.client.complete(this.name, prompts, options);
  }

  /** Continues prompts as they are, as it comes. */
  completeStream(prompts: Prompts, options: CompletionOptions = {}): Stream<CompletionDelta, CompletionAnswer> {
    return this.client.completeStream(this.name, prompts, options);
  }
}

/** A version of smollm2-vllm. */
export type Smollm2VllmVersion = 1;

/** SmolLM2 135M Instruct on vLLM, converted once from the GGUF file of smollm2. */
export class Smollm2Vllm extends Model {
  /** What this class was made for. */
  static readonly interface = {
    name: "smollm2-vllm",
    digest: "5d7ec90b90a1a06e959d4fc3ca16c0dbb6acf1cb13c4bce9b65a9ff07bd9052f",
    tasks: ["chat", "completion"],
  } as const satisfies Interface;

  constructor(client: Client, name: string = Smollm2Vllm.interface.name) {
    super(client, name);
  }

  /** The model at one of its versions. */
  at(which: Which<Smollm2VllmVersion, never>): Smollm2Vllm {
    const name = versionName(Smollm2Vllm.interface.name, which);
    return new Smollm2Vllm(this.client, name);
  }

  /** The next turn of a conversation, whole. */
  chat(messages: Conversation, options: ChatOptions = {}): Promise<ChatAnswer> {
    return this.client.chat(this.name, messages, options);
  }

  /** The next turn of a conversation, as it comes. */
  chatStream(messages: Conversation, options: ChatOptions = {}): Stream<ChatDelta, ChatAnswer> {
    return this.client.chatStream(this.name, messages, options);
  }

  /** Continues prompts as they are. */
  complete(prompts: Prompts, options: CompletionOptions = {}): Promise<CompletionAnswer> {
    return this.client.complete(this.name, prompts, options);
  }

  /** Continues prompts as they are, as it comes. */
  completeStream(prompts: Prompts, options: CompletionOptions = {}): Stream<CompletionDelta, CompletionAnswer> {
    return this.client.completeStream(this.name, prompts, options);
  }
}

const INTERFACES: readonly Interface[] = [
  Language.interface,
  Magika.interface,
  Minilm.interface,
  Ocr.interface,
  OcrClassifier.interface,
  OcrDetector.interface,
  OcrLines.interface,
  OcrPrepare.interface,
  OcrRecogniser.interface,
  Orientation.interface,
  Smollm2.interface,
  Smollm2Transformers.interface,
  Smollm2Vllm.interface,
];

/** The models, asked through `client`. */
export class Models {
  readonly client: Client;
  readonly language: Language;
  readonly magika: Magika;
  readonly minilm: Minilm;
  readonly ocr: Ocr;
  readonly ocrClassifier: OcrClassifier;
  readonly ocrDetector: OcrDetector;
  readonly ocrLines: OcrLines;
  readonly ocrPrepare: OcrPrepare;
  readonly ocrRecogniser: OcrRecogniser;
  readonly orientation: Orientation;
  readonly smollm2: Smollm2;
  readonly smollm2Transformers: Smollm2Transformers;
  readonly smollm2Vllm: Smollm2Vllm;

  constructor(client: Client) {
    this.client = client;
    this.language = new Language(client);
    this.magika = new Magika(client);
    this.minilm = new Minilm(client);
    this.ocr = new Ocr(client);
    this.ocrClassifier = new OcrClassifier(client);
    this.ocrDetector = new OcrDetector(client);
    this.ocrLines = new OcrLines(client);
    this.ocrPrepare = new OcrPrepare(client);
    this.ocrRecogniser = new OcrRecogniser(client);
    this.orientation = new Orientation(client);
    this.smollm2 = new Smollm2(client);
    this.smollm2Transformers = new Smollm2Transformers(client);
    this.smollm2Vllm = new Smollm2Vllm(client);
  }

  /** What has changed on the server since this package was made, a sentence for each model. */
  async drift(): Promise<string[]> {
    return changes(INTERFACES, await this.client.models());
  }
}

/** What to do where a model of the server has changed since this package was made. */
export type OnDrift = "warn" | "throw" | "ignore";

/** Models of the server have changed since this package was made. */
export class Drifted extends ClientError {}

/**
 * The models of the server that `client` asks, once it is seen that they are those that this package was made for.
 *
 * @param options - `onDrift` says what to do where they are not: warn of it, which is the default, throw {@link Drifted}, or not
 * even look.
 * @throws JubakoError the server can't be asked.
 */
export async function connect(client: Client, options: { readonly onDrift?: OnDrift } = {}): Promise<Models> {
  const models = new Models(client);
  const onDrift = options.onDrift ?? "warn";
  const found = onDrift === "ignore" ? [] : await models.drift();
  if (found.length > 0) {
    const message = ["The server is not the one that this package was made for. Make it again.", ...found].join("\n");
    if (onDrift === "throw") {
      throw new Drifted(message);
    }
    process.emitWarning(message, "DriftWarning");
  }
  return models;
}
