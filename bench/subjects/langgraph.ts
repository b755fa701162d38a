/**
 * LangGraph with its SQLite saver, as it comes: WAL at NORMAL (survives the process, not a power cut), and a checkpoint
 * is written while the next step already runs. One node in a loop, each turn a step.
 */
import { join } from 'node:path'
import { Annotation, END, START, StateGraph } from '@langchain/langgraph'
import { SqliteSaver } from '@langchain/langgraph-checkpoint-sqlite'
import { loadOn, type Load, type LoadTask } from '../measure/load.ts'
import { result } from '../measure/work.ts'

export function openLangGraph(
  file: string,
  steps: number,
  step = (run: string, at: number): unknown => result(run, at),
) {
  const State = Annotation.Root({
    run: Annotation<string>(),
    out: Annotation<unknown[]>({ reducer: (all, more) => [...all, ...more], default: () => [] }),
  })
  const graph = new StateGraph(State)
    .addNode('step', async (state) => ({ out: [await step(state.run, state.out.length)] }))
    .addEdge(START, 'step')
    .addConditionalEdges('step', (state) => (state.out.length < steps ? 'step' : END), ['step', END])
    .compile({ checkpointer: SqliteSaver.fromConnString(file) })
  const config = (run: string) => ({ configurable: { thread_id: run }, recursionLimit: steps + 10 })
  return {
    start: (run: string) => graph.invoke({ run }, config(run)),
    resume: (run: string) => graph.invoke(null, config(run)),
  }
}

export async function load(task: LoadTask): Promise<Load> {
  const graph = openLangGraph(join(task.folder, 'langgraph.db'), task.steps)
  return loadOn({ run: async (run) => void (await graph.start(run)), close: async () => {} }, task)
}
