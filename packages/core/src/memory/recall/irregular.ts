/** Irregular: English forms that no ending tells: "went" is found by "go", "children" by "child". */

/** Each line: the base form, then its other forms. */
const FORMS = `
become became|begin began begun|bite bitten|blow blew blown|break broke broken|bring brought|build built|buy bought|catch caught
choose chose chosen|come came|deal dealt|dig dug|draw drew drawn|drink drank drunk|drive drove driven|eat ate eaten|fall fell fallen
feed fed|feel felt|fight fought|find found|fly flew flown|forget forgot forgotten|forgive forgave forgiven|freeze froze frozen
get got gotten|give gave given|go went gone gonna|grow grew grown|hang hung|hear heard|hide hid hidden|hold held|keep kept|know knew known
lead led|leave left|lend lent|lose lost|make made|mean meant|meet met|pay paid|ride rode ridden|ring rang rung|rise rose risen|run ran
say said|see saw seen|seek sought|sell sold|send sent|shake shook shaken|shine shone|shoot shot|show shown|sing sang sung|sink sank sunk
sit sat|sleep slept|speak spoke spoken|spend spent|stand stood|steal stole stolen|stick stuck|strike struck|swear swore sworn
swim swam swum|take took taken|teach taught|tear tore torn|tell told|think thought|throw threw thrown|understand understood
wake woke woken|wear wore worn|win won|write wrote written|child children kid kids|man men|woman women|person people|foot feet
tooth teeth|mouse mice|wife wives|knife knives|shelf shelves|mom mother mum|dad father
`

/** The base form of a word that has one here; else the word. */
export function baseOf(word: string): string {
  return BASES.get(word) ?? word
}

const BASES = new Map(
  FORMS.trim()
    .split(/[|\n]/)
    .flatMap((line) => {
      const [base = '', ...others] = line.split(' ')
      return others.map((form) => [form, base] as const)
    }),
)
