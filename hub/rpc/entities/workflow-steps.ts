import type { WorkflowStep } from "@monster-realtime/client/protocol";
import { z } from "zod";
import * as field from "../fields.ts";

export const MODES = ["clarify", "plan", "execute", "review", "iterate"] as const;
const MAX_STEPS = 100;

const step: z.ZodType<WorkflowStep> = z.strictObject({ mode: field.oneOf(MODES), requireReview: z.boolean() });

/** The modes a task goes through, in their order. */
export const workflowSteps = z.array(step).max(MAX_STEPS);
