import { useState } from "react";

interface ReviewFormProps {
  /** The reviewer's instructions. */
  instructions: string | null;
  onDecide(decision: "approve" | "reject", feedback: string): Promise<boolean>;
}

/** A form to approve a task, or to send it back with feedback. */
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
          title={feedback.trim() === "" ? "Enter feedback first" : undefined}
          onClick={() => decide("reject")}
        >
          Send back
        </button>
      </p>
    </fieldset>
  );
}
