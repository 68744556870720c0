import { useState } from "react";

interface ReviewFormProps {
  /** What the workflow asks the reviewer to look at. */
  instructions: string | null;
  onDecide(decision: "approve" | "reject", feedback: string): Promise<boolean>;
}

/** Approve, or send back with feedback. */
export function ReviewForm({ instructions, onDecide }: ReviewFormProps) {
  const [feedback, setFeedback] = useState("");
  const [isBusy, setBusy] = useState(false);
  const decide = (decision: "approve" | "reject") => {
    setBusy(true);
    void onDecide(decision, feedback.trim()).finally(() => setBusy(false));
  };
  return (
    <fieldset className="review">
      <legend>Review</legend>
      {instructions !== null && <p className="text">{instructions}</p>}
      <label>
        Feedback for the agent
        <textarea rows={3} value={feedback} onChange={(event) => setFeedback(event.target.value)} />
      </label>
      <p className="actions">
        <button type="button" disabled={isBusy} onClick={() => decide("approve")}>
          Approve
        </button>
        <button
          type="button"
          className="plain"
          disabled={isBusy || feedback.trim() === ""}
          title={feedback.trim() === "" ? "Say what has to change first" : undefined}
          onClick={() => decide("reject")}
        >
          Send back
        </button>
      </p>
    </fieldset>
  );
}
