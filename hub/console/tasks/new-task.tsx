import { type FormEvent, useState } from "react";

const PRIORITIES = [5, 4, 3, 2, 1];
const MIDDLE = 3;

/** A form for a new task. */
export function NewTask({ onCreate }: { onCreate(title: string, priority: number): Promise<boolean> }) {
  const [title, setTitle] = useState("");
  const [priority, setPriority] = useState(MIDDLE);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (title.trim() !== "" && (await onCreate(title.trim(), priority))) setTitle("");
  };
  return (
    <form className="new-task" onSubmit={(event) => void submit(event)}>
      <input
        id="new-task"
        aria-label="Title of a new task"
        placeholder="New task ( n )"
        maxLength={500}
        value={title}
        onChange={(event) => setTitle(event.target.value)}
      />
      <select aria-label="Priority" value={priority} onChange={(event) => setPriority(Number(event.target.value))}>
        {PRIORITIES.map((value) => (
          <option key={value} value={value}>
            P{value}
          </option>
        ))}
      </select>
      <button type="submit" disabled={title.trim() === ""}>
        Add
      </button>
    </form>
  );
}
