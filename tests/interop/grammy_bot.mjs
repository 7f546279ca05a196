// SPDX-License-Identifier: ISC
// Copyright (c) 2026 The gatewayd developers
//
// An echo bot as grammY's documentation writes one, and a few calls that must
// fail as Telegram makes them fail.  One JSON line per check on stdout.
//	grammy_bot.mjs API_ROOT TOKEN echo|calls
import { Bot, GrammyError, HttpError } from "grammy";

const [, , apiRoot, token, what] = process.argv;
const bot = new Bot(token, { client: { apiRoot } });
const say = (name, ok, detail) =>
	console.log(JSON.stringify({ name, ok: !!ok, detail: String(detail) }));

async function fails(name, call, code, text) {
	try {
		await call();
		say(name, false, "no error");
	} catch (e) {
		say(name, e instanceof GrammyError && e.error_code === code &&
		    e.description.includes(text), e.description ?? e);
	}
}

if (what === "echo") {
	// The first message of a run with "die" in it ends the process in the
	// middle of its batch.
	bot.command("start", (ctx) => ctx.reply("welcome"));
	bot.on("message:text", async (ctx) => {
		if (ctx.message.text === process.env.DIE_AT)
			process.kill(process.pid, "SIGKILL");
		await ctx.reply(`<b>${ctx.message.text}</b>`, {
			parse_mode: "HTML",
			reply_parameters: { message_id: ctx.message.message_id },
		});
	});
	bot.on("callback_query:data", (ctx) => ctx.answerCallbackQuery("ok"));
	bot.catch((e) => say("handler", false, e.message));
	process.on("SIGTERM", () => bot.stop());
	await bot.start({
		onStart: (me) => say("start", me.username === "our_bot" &&
		    me.is_bot && me.id === 123456, me.username),
	});
	say("stop", true, "");
} else {
	const api = bot.api;
	const m = await api.sendMessage(7, "a <i>b</i> <code>c</code>",
	    { parse_mode: "HTML" });
	say("entities", m.text === "a b c" && m.entities.length === 2 &&
	    m.entities[0].type === "italic" && m.entities[0].offset === 2 &&
	    m.chat.id === 7 && m.from.is_bot, JSON.stringify(m));
	say("action", await api.sendChatAction(7, "typing") === true, "");
	await fails("bad markup", () => api.sendMessage(7, "<x>", {
		parse_mode: "HTML" }), 400, "can't parse entities");
	await fails("unclosed", () => api.sendMessage(7, "<b>x", {
		parse_mode: "HTML" }), 400, "can't parse entities");
	await fails("empty", () => api.sendMessage(7, " "), 400, "is empty");
	await fails("too long", () => api.sendMessage(7, "x".repeat(4097)), 400,
	    "too long");
	await fails("blocked", () => api.sendMessage(666, "x"), 403, "blocked");
	try {
		await api.sendMessage(7, "limited");
		say("rate", false, "no error");
	} catch (e) {
		say("rate", e.error_code === 429 && e.parameters.retry_after === 3,
		    e);
	}
	try {
		await api.sendMessage(7, "dropped");
		say("drop", false, "no error");
	} catch (e) {
		say("drop", e instanceof HttpError, e);
	}
	await api.setWebhook("https://e.org/h");
	await fails("webhook", () => api.getUpdates(), 409, "webhook is active");
	say("info", (await api.getWebhookInfo()).url === "https://e.org/h", "");
	await api.deleteWebhook();
	const other = new Bot(token.replace(/.$/, "x"), { client: { apiRoot } });
	await fails("token", () => other.api.getMe(), 401, "Unauthorized");
}
